"""The command ``deepradiomics``: thin over the library, results on stdout or in a file, progress on stderr."""

import argparse
import sys
from pathlib import Path

_FAILED, _BAD_INPUT = 1, 2


def main(arguments=None):
    """Run the command.

    Parameters
    ----------
    arguments : list of str, default=None
        Words after the command's name; None takes those of the process.

    Returns
    -------
    int
        0 when all went well, 1 when some regions failed under ``--on-error nan``, 2 on bad input or usage.

    Examples
    --------
    >>> from deepradiomics.cli import main
    >>> main(["extract", "nothing.csv", "--output", "features.csv"])
    2
    """
    from deepradiomics.exceptions import DeepRadiomicsError

    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except DeepRadiomicsError as error:
        if options.debug:
            raise
        print(f"deepradiomics: {error}", file=sys.stderr)
        return _BAD_INPUT


def _parser():
    parser = argparse.ArgumentParser(prog="deepradiomics", description="Radiomics of bone radiographs.")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="command")
    extract = commands.add_parser(
        "extract",
        help="texture features of the images in a table",
        description="Measure the regions in a CSV with the columns Image, Mask and, if wanted, Label, as pyradiomics "
        "reads it; relative paths start from its folder. Exit code 1: some regions failed (--on-error nan).",
    )
    extract.add_argument("table", type=Path, help="CSV with the columns Image, Mask, Label")
    extract.add_argument("--output", "-o", type=Path, required=True, help="file to write, .csv or .parquet")
    extract.add_argument("--param", "-p", type=Path, help="pyradiomics parameter file, unchanged")
    extract.add_argument("--jobs", "-j", type=int, default=1, help="threads")
    extract.add_argument("--engine", choices=["native", "pyradiomics"], default="native")
    extract.add_argument("--on-error", choices=["raise", "nan"], default="raise")
    extract.set_defaults(run=_extract)
    info = commands.add_parser("info", help="versions, devices and engines")
    info.set_defaults(run=_info)
    return parser


def _extract(options):
    """Read the table, measure, write the table with the features behind."""
    import pandas as pd

    from deepradiomics.exceptions import InputError
    from deepradiomics.texture import TextureExtractor

    if options.output.suffix not in (".csv", ".parquet"):
        raise InputError(f"{options.output.name} ends in neither .csv nor .parquet", code="output")
    try:
        table = pd.read_csv(options.table, dtype={"Image": str, "Mask": str})
    except (OSError, ValueError) as error:
        raise InputError(f"{options.table.name} cannot be read ({type(error).__name__})", code="table") from error
    missing = {"Image", "Mask"} - set(table.columns)
    if missing or table.empty:
        raise InputError(
            f"{options.table.name} has {len(table)} rows and lacks {sorted(missing) or 'nothing'}; it needs rows with "
            "the columns Image and Mask",
            code="columns",
        )
    settings = {"engine": options.engine, "on_error": options.on_error, "n_jobs": options.jobs, "verbose": True}
    if options.param is not None:
        extractor = TextureExtractor.from_params(options.param, **settings)
    else:
        extractor = TextureExtractor(**settings)
    regions = pd.DataFrame({"region": _regions(table, options.table.parent)}, dtype=object)
    features = extractor.set_output(transform="pandas").transform(regions)
    features.columns = [name.removeprefix("region__") for name in features.columns]
    found = pd.concat([table, features], axis=1)
    if options.output.suffix == ".csv":
        found.to_csv(options.output, index=False)
    else:
        found.to_parquet(options.output, index=False)
    for failure in extractor.failures_.itertuples():
        print(f"deepradiomics: row {failure.row}: {failure.reason}", file=sys.stderr)
    print(
        f"{len(found)} regions, {features.shape[1]} features, {len(extractor.failures_)} failed: {options.output.name}"
    )
    return _FAILED if len(extractor.failures_) else 0


def _regions(table, folder):
    """Radiograph and mask of each row."""
    from deepradiomics.exceptions import DeepRadiomicsError
    from deepradiomics.reading import read_radiograph

    labels = table["Label"] if "Label" in table else [None] * len(table)
    regions = []
    for row, (image, mask, label) in enumerate(zip(table["Image"], table["Mask"], labels, strict=True)):
        try:
            wanted = None if label is None or label != label else int(label)
            regions.append(read_radiograph(folder / image, mask=folder / mask, label=wanted))
        except DeepRadiomicsError as error:
            raise error.at(f"row {row}") from error
    return regions


def _info(options):
    """Print versions, devices and engines."""
    from importlib.metadata import PackageNotFoundError, version
    from platform import platform, python_version

    from deepradiomics.texture.native import find_device

    print(f"python {python_version()} on {platform()}")
    for package in ("deepradiomics", "numpy", "scikit-learn", "torch", "timm", "xgboost", "pyradiomics"):
        try:
            print(f"{package} {version(package)}")
        except PackageNotFoundError:
            print(f"{package} not installed")
    print(f"texture on {find_device('auto') or 'cpu'}")
    return 0
