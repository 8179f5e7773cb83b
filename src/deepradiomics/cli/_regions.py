"""extract: texture of the regions in a table."""

from pathlib import Path

from deepradiomics.cli._checks import check_file
from deepradiomics.cli._log import LOG
from deepradiomics.cli._tables import check_columns, check_ending, file_of, read_table, write_table
from deepradiomics.exceptions import DeepRadiomicsError, InputError


def extract(options):
    """Read the table, measure, write the table with the features behind."""
    import pandas as pd

    if options.output is not None:
        check_ending(options.output)
        check_file(options.output, options.table, options.mask, options.param)
    elif options.mask is None and not options.dry_run:
        raise InputError("say where to write the features of a table with --output", code="output")
    table = _table(options.table) if options.mask is None else _one_case(options)
    extractor = _texture(options)
    _check_free(table, extractor, options.table.name)
    if options.dry_run:
        _, unread = _regions(_labelled(table, options), _folder(options), "skip")
        for row, reason in unread:
            LOG.info(f"row {row}: {reason}")
        LOG.info(f"{len(table)} rows, {len(unread)} of them cannot be read; nothing was measured")
        return 2 if unread else 0
    measured = _resumed if options.resume else _measured
    features, failures = measured(_labelled(table, options), extractor, options)
    if options.output is None:
        for name, value in features.iloc[0].items():
            print(f"{name},{value}")
    else:
        write_table(pd.concat([table, features], axis=1), options.output)
    for row, reason in sorted(failures):
        LOG.warning(f"row {row}: {reason}")
    if options.output is not None:
        LOG.info(f"{len(table)} regions, {features.shape[1]} features, {len(failures)} failed: {options.output.name}")
    return 1 if failures else 0


def _one_case(options):
    """The table of one image and its mask."""
    import pandas as pd

    return pd.DataFrame({"Image": [str(options.table)], "Mask": [str(options.mask)]}).assign(
        **({} if options.label is None else {"Label": [options.label]})
    )


def _folder(options):
    """Where relative paths start: the folder of the table, or here."""
    return options.table.parent if options.mask is None else Path()


def _table(path):
    """Read the table of regions; each row has an image, a mask and a label that can be one."""
    table = read_table(path, text=["Image", "Mask"])
    check_columns(table, ["Image", "Mask"], path)
    if table.empty:
        raise InputError(f"{path.name} has no rows; give a row a region")
    for name in ("Image", "Mask"):
        if table[name].isna().any():
            row = int(table[name].isna().to_numpy().argmax())
            raise InputError(f"row {row}, column {name!r} is empty; give a path, or leave the row out", code="no_file")
    for name in ("Label", "Label_channel"):
        _numbers(table, name)
    return table


def _labelled(table, options):
    """The table with the label of the settings in rows that have none of their own, as in pyradiomics."""
    from deepradiomics.texture._parameter_files import read_label

    label = read_label(options.param, options.setting)
    if label is None:
        return table
    own = table["Label"].astype(object) if "Label" in table else table["Image"].map(lambda _: None)
    return table.assign(Label=own.fillna(label))


def _numbers(table, name):
    """Whole number of each row in a column such as Label, or None where it has none."""
    import pandas as pd

    if name not in table:
        return [None] * len(table)
    numbers = pd.to_numeric(table[name], errors="coerce").astype(float)
    wrong = (table[name].notna() & (numbers % 1 != 0)).to_numpy()
    if wrong.any():
        raise InputError(
            f"row {int(wrong.argmax())}, column {name!r} is not a whole number; give the number of the region or layer "
            "in its mask, or leave the cell empty to take all of it"
        )
    return [None if number != number else int(number) for number in numbers]


def _texture(options):
    """Build the extractor that the options describe, its settings checked."""
    import pandas as pd

    from deepradiomics.texture import TextureExtractor
    from deepradiomics.texture._parameter_files import read_parameters

    settings = {"engine": options.engine, "on_error": options.on_error, "n_jobs": options.jobs, "verbose": True}
    if options.resume:
        # The archive has workers, a progress bar and a table of failures of its own.
        settings |= {"on_error": "skip", "n_jobs": 1, "verbose": False}
    if options.param is None and not options.setting:
        extractor = TextureExtractor(**settings)
    else:
        extractor = TextureExtractor(**(read_parameters(options.param, options.setting) | settings))
    return extractor.set_output(transform="pandas").fit(pd.DataFrame({"region": []}, dtype=object))


def _check_free(table, extractor, name):
    """Refuse a table that has columns of the features already, such as the output of an earlier run."""
    features = {feature.removeprefix("region__") for feature in extractor.get_feature_names_out()}
    twice = [column for column in table if column in features]
    if twice:
        raise InputError(
            f"{name} has a column {twice[0]!r} already ({len(twice)} such columns); drop them, or give the table as it "
            "was before it was measured",
            code="columns",
        )


def _measured(table, extractor, options):
    """Measure all regions at once; features, and rows that failed with the reason."""
    import pandas as pd

    found, unread = _regions(table, _folder(options), options.on_error)
    features = extractor.transform(pd.DataFrame({"region": found}, dtype=object))
    failures = [(failure.row, failure.reason) for failure in extractor.failures_.itertuples()]
    return features.rename(columns=lambda name: name.removeprefix("region__")), unread + failures


def _resumed(table, extractor, options):
    """Measure the regions as an archive, which keeps what is finished; features, and rows that failed with a code."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    from deepradiomics import archive

    columns = [name for name in ("Image", "Mask", "Label", "Label_channel") if name in table]
    rows = [f"row{row:08d}" for row in range(len(table))]
    reader = FunctionTransformer(_region_table, kw_args={"folder": str(_folder(options))})
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
    # The archive keeps the rows that the table had in an earlier run.
    failures = failures[failures["row"].isin(rows)]
    failed = [(int(row.removeprefix("row")), code) for row, code in zip(failures["row"], failures["code"], strict=True)]
    return found.rename(columns=lambda name: name.removeprefix("region__")), failed


def _region_table(table, folder):
    """Read the regions of some rows into one column."""
    import pandas as pd

    regions, _ = _regions(table, Path(folder), "raise")
    return pd.DataFrame({"region": pd.Series(regions, dtype=object, index=table.index)})


def _regions(table, folder, on_error):
    """Radiograph and mask of each row, and the rows that cannot be read with the reason."""
    from deepradiomics.reading import read_radiograph

    regions, unread = [], []
    numbers = _numbers(table, "Label"), _numbers(table, "Label_channel")
    for row, (image, mask, label, layer) in enumerate(zip(table["Image"], table["Mask"], *numbers, strict=True)):
        try:
            region = read_radiograph(
                file_of(folder, image), mask=file_of(folder, mask), label=label, label_channel=layer
            )
        except DeepRadiomicsError as error:
            if on_error == "raise":
                raise error.at(f"row {row}") from error
            region = None
            unread.append((row, str(error)))
        regions.append(region)
    return regions, unread
