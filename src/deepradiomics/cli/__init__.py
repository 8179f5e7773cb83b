"""The command ``deepradiomics``: thin over the library, results on stdout or in a file, progress on stderr."""

import argparse
import sys
import warnings
from functools import partial
from pathlib import Path

from deepradiomics.cli import _cohorts, _regions, _scan
from deepradiomics.cli._checks import check_counts
from deepradiomics.exceptions import DeepRadiomicsError, InputWarning

_BAD_INPUT = 2
_COHORT = (
    "The table has a row a patient: paths of images and masks, covariates and, to train, the diagnosis. A column "
    "'patient' keeps the rows of a patient together."
)


def main(arguments=None):
    """Run the command.

    Parameters
    ----------
    arguments : list of str, default=None
        Words after the command's name; None takes those of the process.

    Returns
    -------
    int
        0 when all went well, 1 when some regions failed and were left empty, 2 on bad input or usage.

    Examples
    --------
    >>> from deepradiomics.cli import main
    >>> main(["extract", "nothing.csv", "--output", "features.csv"])
    2
    """
    options = _parser().parse_args(arguments)
    try:
        check_counts(options)
        with warnings.catch_warnings():
            warnings.simplefilter("default", InputWarning)
            warnings.showwarning = partial(_show_warning, warnings.showwarning)
            return options.run(options)
    except (DeepRadiomicsError, OSError, ValueError) as error:
        if options.debug:
            raise
        print(f"deepradiomics: {' '.join(_said(error).split())}", file=sys.stderr)
        return _BAD_INPUT


def _show_warning(otherwise, message, category, *place, **more):
    """Show our warnings without the line of code that they came from."""
    if issubclass(category, InputWarning):
        print(f"deepradiomics: warning: {' '.join(str(message).split())}", file=sys.stderr)
    else:
        otherwise(message, category, *place, **more)


def _said(error):
    """What an error says to the user; the words of other libraries may hold cells of patients or whole paths."""
    from sklearn.utils._param_validation import InvalidParameterError

    if isinstance(error, DeepRadiomicsError | InvalidParameterError):
        return str(error)
    if isinstance(error, OSError):
        return f"a file cannot be read or written ({error.strerror or type(error).__name__}); --debug shows which"
    return (
        f"the table or a setting does not suit the model ({type(error).__name__}); deepradiomics --debug ... shows "
        "why, and may show cells of the table"
    )


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Help that shows the defaults that there are."""

    def _get_help_string(self, action):
        if action.default in (None, False) or action.default == [] or action.default is argparse.SUPPRESS:
            return action.help
        return f"{action.help or ''} (default: %(default)s)".strip()


class _Version(argparse.Action):
    """Print the version; it is looked up only then."""

    def __call__(self, parser, *_):
        from importlib.metadata import version

        print(f"deepradiomics {version('deepradiomics')}")
        parser.exit()


def _parser():
    parser = argparse.ArgumentParser(
        prog="deepradiomics",
        description="Radiomics of bone radiographs.",
        epilog="Exit codes: 0 all went well, 1 some regions failed and were left empty, 2 bad input or usage. An "
        "example of each command: deepradiomics COMMAND --help.",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and stop")
    kind = partial(argparse.ArgumentParser, formatter_class=_Help)
    commands = parser.add_subparsers(required=True, metavar="command", parser_class=kind)
    adders = (_add_scan, _add_extract, _add_segment, _add_train, _add_predict, _add_compare, _add_review, _add_info)
    for add in adders:
        add(commands)
    return parser


def _add_scan(commands):
    scan = commands.add_parser(
        "scan",
        help="the images in a folder as one table",
        description="List every image in a folder, with pseudonyms in place of names, and why a file was left out. Run "
        "again after a crash, it goes on where it was.",
        epilog="Example: deepradiomics scan EXPORT -o images.csv --key secret.key --clinical clinic.xlsx "
        "--patient Number --columns T-score",
    )
    scan.add_argument("folder", type=Path, help="folder of DICOM files, pictures and zip files")
    scan.add_argument("--output", "-o", type=Path, required=True, help="table to write, .csv, .parquet or .json")
    scan.add_argument(
        "--key", type=Path, required=True, help="file with the secret of the pseudonyms, made if missing; keep it safe"
    )
    scan.add_argument("--jobs", "-j", type=int, default=1, help="processes")
    scan.add_argument("--headers-only", action="store_true", help="do not read the pixels, so that no copies are found")
    scan.add_argument("--unpack", type=Path, help="folder for the files in zip files, which are left out without it")
    scan.add_argument("--patient-in-path", metavar="REGEX", help="finds the patient's number in a path, as one group")
    scan.add_argument("--clinical", type=Path, help="CSV or Excel file to join, a row a patient")
    scan.add_argument("--patient", help="its column with the patient's number")
    scan.add_argument("--columns", nargs="+", help="its columns to take")
    scan.set_defaults(run=_scan.scan)


def _add_extract(commands):
    extract = commands.add_parser(
        "extract",
        help="texture features of the images in a table",
        description="Measure the regions in a table with the columns Image, Mask and, if wanted, Label, as "
        "pyradiomics reads it; relative paths start from its folder. Or measure one image and its mask.",
        epilog="Example: deepradiomics extract cases.csv -p Params.yaml -o features.csv; for one case: "
        "deepradiomics extract hip.dcm neck.png",
    )
    extract.add_argument("table", type=Path, help="CSV or Excel file with the columns Image, Mask, Label, or one image")
    extract.add_argument("mask", type=Path, nargs="?", help="the mask of that image")
    extract.add_argument("--label", type=int, help="the label in that mask")
    extract.add_argument(
        "--output",
        "-o",
        type=Path,
        help="file to write, .csv, .parquet or .json; replaced if it is there; one case goes to stdout without it",
    )
    _add_dry_run(extract)
    extract.add_argument("--param", "-p", type=Path, help="pyradiomics parameter file, unchanged")
    extract.add_argument("--jobs", "-j", type=int, default=1, help="threads; processes with --resume")
    extract.add_argument("--engine", choices=["native", "pyradiomics"], default="native")
    extract.add_argument(
        "--on-error",
        choices=["raise", "skip"],
        default="raise",
        help="what happens to a file that cannot be read or a region that cannot be measured",
    )
    extract.add_argument(
        "--resume",
        action="store_true",
        help="keep what is finished in the folder OUTPUT.parts and go on there after a crash; failed rows stay empty",
    )
    extract.set_defaults(run=_regions.extract)


def _add_dry_run(command):
    command.add_argument(
        "--dry-run", action="store_true", help="read all tables and images, name every bad row, and write nothing"
    )


def _add_segment(commands):
    segment = commands.add_parser(
        "segment",
        help="outline bones",
        description="Write a label map (PNG of 8 bits, in the image's own size) for each radiograph, and a line with "
        "the network's confidence in each bone, which is no guarantee; confidence.csv has the same. A file that cannot "
        "be read is named and left out.",
        epilog="Example: deepradiomics segment FILMS -o OUTLINES --model femur",
    )
    segment.add_argument("images", type=Path, nargs="+", help="radiographs, or folders of them")
    segment.add_argument(
        "--output", "-o", type=Path, required=True, help="folder for the label maps and confidence.csv"
    )
    segment.add_argument(
        "--model",
        default="femur",
        help="femur, lumbar-ap, lumbar-lateral (all trained on simulated radiographs), or a saved segmenter",
    )
    segment.add_argument(
        "--format",
        choices=["png", "dcm"],
        default="png",
        help="label maps as PNG, or DICOM SEG, which names the patient",
    )
    segment.add_argument("--overlays", action="store_true", help="draw the outlines on each radiograph, too")
    segment.add_argument(
        "--overwrite", action="store_true", help="replace label maps that are there; else they are refused"
    )
    segment.set_defaults(run=_cohorts.segment)


def _add_recipe(command):
    command.add_argument(
        "table", type=Path, help="CSV, Excel or parquet file, a row a patient; relative paths start from its folder"
    )
    _add_dry_run(command)
    command.add_argument("--label", required=True, help="column with the diagnosis")
    command.add_argument(
        "--recipe",
        default="kim2022",
        help="kim2022, mao2022, vcfnet2022 or lumbar_transfer2024; its docstring names "
        "the columns that it reads; where a column of masks is missing, the weights of the package outline the bones",
    )
    command.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="argument of the recipe, such as epochs=10"
    )
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--on-error",
        choices=["raise", "skip"],
        default="raise",
        help="what happens to a bone that cannot be outlined or a region that cannot be measured",
    )


def _add_train(commands):
    train = commands.add_parser(
        "train",
        help="train a published system on a table",
        description=_COHORT,
        epilog="Example: deepradiomics train cohort.csv --label diagnosis -o model.zip --set epochs=30",
    )
    _add_recipe(train)
    train.add_argument("--output", "-o", type=Path, required=True, help="model to write, .zip or a folder")
    train.set_defaults(run=_cohorts.train)


def _add_predict(commands):
    predict = commands.add_parser(
        "predict",
        help="apply a trained model to a table",
        description=f"{_COHORT} Columns that the model does not read, such as numbers of patients, are written first.",
        epilog="Example: deepradiomics predict new.csv -m model.zip -o answers.csv",
    )
    predict.add_argument("table", type=Path, help="CSV, Excel or parquet file with the columns of training")
    _add_dry_run(predict)
    predict.add_argument("--threshold", type=float, help="probability of the second class from which it is called; 0.5")
    predict.add_argument("--model", "-m", type=Path, required=True, help="what train has written")
    predict.add_argument(
        "--output", "-o", type=Path, help="table to write, .csv, .parquet or .json, replaced; stdout without it"
    )
    predict.set_defaults(run=_cohorts.predict)


def _add_review(commands):
    review = commands.add_parser(
        "review",
        help="a page on which every outline can be seen, judged and corrected",
        description="Write a page that opens in any browser without a network. Relative paths start from the folder of "
        "the table. What the page exports is put back by deepradiomics.review.apply.",
        epilog="Example: deepradiomics review cohort.csv --masks mask --boxes femur -o review.html",
    )
    review.add_argument("table", type=Path, help="CSV or parquet, a row a radiograph")
    review.add_argument(
        "--output",
        "-o",
        type=Path,
        required=True,
        help="file .html, or a folder for more than some hundred radiographs",
    )
    review.add_argument("--image", default="radiograph", help="column of the radiographs")
    review.add_argument("--masks", help="column of the label maps")
    review.add_argument("--labels", default="left,right", help="names of the labels 1, 2 ...")
    review.add_argument("--boxes", choices=["femur", "vertebrae"], help="boxes to place on the outlines")
    for name, text in (
        ("names", "what to call each radiograph, never the patient"),
        ("group", "equal in rows to be shown side by side"),
        ("site", "to filter by"),
        ("target", "to filter by"),
        ("flags", "comma-separated words"),
        ("confidence", "from 0 to 1"),
    ):
        review.add_argument(f"--{name}", help=f"column: {text}")
    review.set_defaults(run=_cohorts.review)


def _add_compare(commands):
    for name, run, text in (
        ("compare", _cohorts.compare, "compare clinical, texture and deep features and their sums"),
        ("report", _cohorts.report, "compare, and write one HTML page; finished folds of compare are not fitted again"),
    ):
        command = commands.add_parser(
            name,
            help=text,
            description=f"{_COHORT} Finished folds are kept in the folder.",
            epilog=f"Example: deepradiomics {name} cohort.csv --label diagnosis --external B=site_b.csv -o RESULTS",
        )
        _add_recipe(command)
        command.add_argument("--output", "-o", type=Path, required=True, help="folder for the results")
        command.add_argument("--classes", help="the classes in their order, such as normal,osteopenia,osteoporosis")
        command.add_argument("--folds", type=int, default=5)
        command.add_argument("--repeats", type=int, default=1, help="how often the cohort is split anew")
        command.add_argument("--jobs", "-j", type=int, default=1, help="folds that run at a time")
        command.add_argument(
            "--external", action="append", default=[], metavar="NAME=TABLE", help="another cohort; may be repeated"
        )
        command.add_argument("--event", metavar="LABEL", help="which of the two labels is the event, such as case")
        command.add_argument("--subgroups", nargs="*", default=[], help="columns by which the report divides patients")
        command.set_defaults(run=run)


def _add_info(commands):
    info = commands.add_parser("info", help="versions, devices and engines", epilog="Example: deepradiomics info")
    info.set_defaults(run=_info)


def _info(options):
    """Print versions, devices and engines."""
    from importlib.metadata import PackageNotFoundError, version
    from platform import platform, python_version

    from deepradiomics.texture._engine import find_device

    print(f"python {python_version()} on {platform()}")
    for package in ("deepradiomics", "numpy", "scikit-learn", "torch", "timm", "xgboost", "pyradiomics"):
        try:
            print(f"{package} {version(package)}")
        except PackageNotFoundError:
            print(f"{package} not installed")
    print(f"texture on {find_device('auto') or 'cpu'}")
    return 0
