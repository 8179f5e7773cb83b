"""What the study scripts share: a table of a user's own data, the note under every result, cohorts of patients."""

from pathlib import Path

import pandas as pd

NOTE = (
    "The cohort is simulated: the protocol can be compared with the paper's, the clinical figures cannot. "
    "They say how hard this simulation is, not how good the method is."
)


def read_folder(folder, paths):
    """Read a user's own study: ``cohort.csv`` with a row a patient, paths in it relative to the folder.

    Columns: ``patient``, ``cohort`` (``internal``, or the name of another one), ``label``, the clinical covariates, and
    for each name in ``paths`` the path of an image or of a label map.
    """
    folder = Path(folder)
    table = pd.read_csv(folder / "cohort.csv")
    for column in paths:
        table[column] = [None if pd.isna(cell) else str(folder / cell) for cell in table[column]]
    return {name: part.reset_index(drop=True) for name, part in table.groupby("cohort", sort=False)}


def paper_beside(ours, paper):
    """Put the paper's printed numbers beside ours, row by row."""
    return ours.join(pd.Series(paper, name="paper"), how="left")


def arguments(parser, patients):
    """Add the options that all studies have, and read them."""
    parser.add_argument("--patients", type=int, default=patients, help="patients of the internal cohort")
    parser.add_argument("--image-size", type=int, default=64, help="side of the networks' images")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--data", type=Path, help="a folder of your own data instead of a simulation")
    parser.add_argument("--smoke", action="store_true", help="a run of seconds, to see that it works")
    found = parser.parse_args()
    if found.smoke:
        found.patients, found.epochs, found.image_size = 24, 1, 64
    return found
