"""scan: a folder of images as one table."""

import os

from deepradiomics.cli._checks import check_file
from deepradiomics.cli._log import LOG
from deepradiomics.cli._tables import check_ending, write_table
from deepradiomics.exceptions import InputError


def scan(options):
    """List the images, join the clinical sheet, write the table and say what was left out."""
    from deepradiomics import archive

    check_ending(options.output)
    if options.clinical is not None and not (options.patient and options.columns):
        raise InputError("--clinical needs --patient and --columns, the columns to take", code="columns")
    check_file(options.output, options.clinical, options.key)
    table = archive.scan(
        options.folder,
        key=options.key,
        progress=options.output.with_name(f"{options.output.name}.progress"),
        pixels=not options.headers_only,
        unpack=options.unpack,
        patient_in_path=options.patient_in_path,
        n_jobs=options.jobs,
    )
    for reason, count in table["left_out"].value_counts().items():
        LOG.info(f"left out {count}: {reason}")
    if options.clinical is not None:
        joined = archive.join_clinical(
            table, options.clinical, key=options.key, patient=options.patient, columns=options.columns
        )
        table = joined.table
        for row in joined.without_image.itertuples():
            LOG.info(f"row {row.row} of the sheet: {row.reason}")
        for row in joined.double["row"]:
            LOG.info(f"row {row} of the sheet: its patient has several rows, none was taken")
        LOG.info(f"{len(joined.without_row)} patients without a row in the sheet")
    start = options.output.absolute().parent
    table["path"] = [os.path.relpath(path, start) for path in table["path"]]
    write_table(table, options.output)
    named, copies = int(table["path_identifies"].fillna(False).sum()), int(table["same_pixels_as"].notna().sum())
    if named:
        LOG.info(f"{named} paths hold a word of their patient: leave out the column path before the table leaves")
    used = table["left_out"].isna()
    n_patients = table.loc[used, "patient"].nunique()
    LOG.info(f"{used.sum()} images of {n_patients} patients, {copies} copies: {options.output.name}")
    return 0
