"""extract: texture of the regions in a table."""

import sys
from pathlib import Path


def extract(options):
    """Read the table, measure, write the table with the features behind."""
    import pandas as pd

    from deepradiomics.exceptions import InputError

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
    extractor = _texture(options)
    measured = _resumed if options.resume else _measured
    features, failures = measured(table, extractor, options)
    found = pd.concat([table, features], axis=1)
    if options.output.suffix == ".csv":
        found.to_csv(options.output, index=False)
    else:
        found.to_parquet(options.output, index=False)
    for row, reason in failures:
        print(f"deepradiomics: row {row}: {reason}", file=sys.stderr)
    print(f"{len(found)} regions, {features.shape[1]} features, {len(failures)} failed: {options.output.name}")
    return 1 if failures else 0


def _texture(options):
    """Build the extractor that the options describe."""
    from deepradiomics.texture import TextureExtractor

    settings = {"engine": options.engine, "on_error": options.on_error, "n_jobs": options.jobs, "verbose": True}
    if options.resume:
        # The archive has workers, a progress bar and a table of failures of its own.
        settings |= {"on_error": "nan", "n_jobs": 1, "verbose": False}
    if options.param is not None:
        extractor = TextureExtractor.from_params(options.param, **settings)
    else:
        extractor = TextureExtractor(**settings)
    return extractor.set_output(transform="pandas")


def _measured(table, extractor, options):
    """Measure all regions at once; features, and rows that failed with the reason."""
    import pandas as pd

    regions = pd.DataFrame({"region": _regions(table, options.table.parent)}, dtype=object)
    features = extractor.transform(regions)
    failures = [(failure.row, failure.reason) for failure in extractor.failures_.itertuples()]
    return features.rename(columns=lambda name: name.removeprefix("region__")), failures


def _resumed(table, extractor, options):
    """Measure the regions as an archive, which keeps what is finished; features, and rows that failed with a code."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    from deepradiomics import archive

    columns = [name for name in ("Image", "Mask", "Label") if name in table]
    rows = [f"row{row:08d}" for row in range(len(table))]
    reader = FunctionTransformer(_region_table, kw_args={"folder": str(options.table.parent)})
    parts = options.output.with_name(f"{options.output.name}.parts")
    done = archive.extract(
        table[columns].assign(row=rows),
        parts,
        make_pipeline(reader, extractor),
        chunk_size=64,
        n_jobs=options.jobs,
        id_column="row",
    )
    found = archive.read_all(parts, settings=done.folder.name).set_index("row").reindex(rows).reset_index(drop=True)
    failures = archive.failures(parts, settings=done.folder.name)
    failed = [(int(row.removeprefix("row")), code) for row, code in zip(failures["row"], failures["code"], strict=True)]
    return found.rename(columns=lambda name: name.removeprefix("region__")), failed


def _region_table(table, folder):
    """Read the regions of some rows into one column."""
    import pandas as pd

    return pd.DataFrame({"region": pd.Series(_regions(table, Path(folder)), dtype=object, index=table.index)})


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
