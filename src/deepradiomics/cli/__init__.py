"""The command ``deepradiomics``: thin over the library, results on stdout or in a file, progress on stderr."""

import argparse
import os
import sys
import warnings
from functools import partial
from pathlib import Path

from deepradiomics import __version__
from deepradiomics.cli import _cohorts, _regions, _scan
from deepradiomics.cli._checks import check_counts
from deepradiomics.cli._log import LOG, log_to, speaking
from deepradiomics.exceptions import DeepRadiomicsError, InputWarning

_BAD_INPUT = 2
_TABLE = ".csv, .parquet, .json or .jsonl; replaced if it is there"
_DRY_RUN = "read all tables and images, name every bad row, and write nothing"
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
    options, code = _parser().parse_args(arguments), None
    with speaking():
        try:
            check_counts(options)
            if options.log is not None:
                log_to(options, sys.argv[1:] if arguments is None else arguments)
            with warnings.catch_warnings():
                warnings.simplefilter("default", InputWarning)
                warnings.showwarning = partial(_show_warning, warnings.showwarning)
                code = options.run(options)
                print(end="", flush=True)
        except BrokenPipeError:  # whoever read stdout has enough, as head has
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            LOG.error("stdout was closed before all was said")
            code = _BAD_INPUT
        except (DeepRadiomicsError, OSError, ValueError) as error:
            if options.debug:
                raise
            LOG.error(" ".join(_said(error).split()))
            code = _BAD_INPUT
        finally:
            LOG.debug("interrupted" if code is None else f"exit code {code}")
    return code


def _show_warning(otherwise, message, category, *place, **more):
    """Show our warnings without the line of code that they came from."""
    if issubclass(category, InputWarning):
        LOG.warning(f"warning: {' '.join(str(message).split())}")
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


def _parser():
    parser = argparse.ArgumentParser(
        prog="deepradiomics",
        description="Radiomics of bone radiographs.",
        epilog="Exit codes: 0 all went well, 1 some regions failed and were left empty, 2 bad input or usage. An "
        "example of each command: deepradiomics COMMAND --help.",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("--version", action="version", version=f"deepradiomics {__version__}")
    kind = partial(argparse.ArgumentParser, formatter_class=_Help)
    commands = parser.add_subparsers(required=True, metavar="command", parser_class=kind)
    adders = (_add_scan, _add_extract, _add_segment, _add_train, _add_predict, _add_compare, _add_review, _add_info)
    for add in adders:
        add(commands)
    return parser


def _command(commands, run, help, example, about=None):
    """Add a command, called by the first word of its example; what adds arguments to it."""
    described = {"help": help, "description": about or help, "epilog": f"Example: deepradiomics {example}"}
    command = commands.add_parser(example.split()[0], **described)
    command.set_defaults(run=run)
    command.add_argument("--log", type=Path, metavar="FILE", help="text file to which all that is said is added")
    return command.add_argument


def _add_scan(commands):
    add = _command(
        commands,
        _scan.scan,
        "the images in a folder as one table",
        "scan EXPORT -o images.csv --key secret.key --clinical clinic.xlsx --patient Number --columns T-score",
        "List every image in a folder, with pseudonyms in place of names, and why a file was left out. Run again after "
        "a crash, it goes on where it was.",
    )
    add("folder", type=Path, help="folder of DICOM files, pictures and zip files")
    add("--output", "-o", type=Path, required=True, help=f"table to write, {_TABLE}")
    add("--key", type=Path, required=True, help="file with the secret of the pseudonyms, made if missing; keep it safe")
    add("--jobs", "-j", type=int, default=1, help="processes")
    add("--headers-only", action="store_true", help="do not read the pixels, so that no copies are found")
    add("--unpack", type=Path, help="folder for the files in zip files, which are left out without it")
    add("--patient-in-path", metavar="REGEX", help="finds the patient's number in a path, as one group")
    add("--clinical", type=Path, help="CSV or Excel file to join, a row a patient")
    add("--patient", help="its column with the patient's number")
    add("--columns", nargs="+", help="its columns to take")


def _add_extract(commands):
    add = _command(
        commands,
        _regions.extract,
        "texture features of the images in a table",
        "extract cases.csv -p Params.yaml -o features.csv; for one case: deepradiomics extract hip.dcm neck.png",
        "Measure the regions in a table with the columns Image, Mask and, if wanted, Label, as pyradiomics reads it; "
        "relative paths start from its folder. Or measure one image and its mask.",
    )
    add("table", type=Path, help="CSV or Excel file with the columns Image, Mask, Label, or one image")
    add("mask", type=Path, nargs="?", help="the mask of that image")
    add("--label", type=int, help="the label in that mask")
    add("--output", "-o", type=Path, help=f"table to write, {_TABLE}; one case goes to stdout without it")
    add("--dry-run", action="store_true", help=_DRY_RUN)
    add("--param", "-p", type=Path, help="pyradiomics parameter file, unchanged")
    setting = "setting of pyradiomics in place of that in the file, such as distances:1,2; may be repeated"
    add("--setting", "-s", action="append", default=[], metavar="NAME:VALUE", help=setting)
    add("--jobs", "-j", type=int, default=1, help="threads; processes with --resume")
    add("--engine", choices=["native", "pyradiomics"], default="native")
    failed = "what happens to a file that cannot be read or a region that cannot be measured"
    add("--on-error", choices=["raise", "skip"], default="raise", help=failed)
    resume = "keep what is finished in the folder OUTPUT.parts and go on there after a crash; failed rows stay empty"
    add("--resume", action="store_true", help=resume)


def _add_segment(commands):
    add = _command(
        commands,
        _cohorts.segment,
        "outline bones",
        "segment FILMS -o OUTLINES --model femur",
        "Write a label map (of 8 bits, in the image's own size) for each radiograph, and a line with the network's "
        "confidence in each bone, which is no guarantee; confidence.csv has the same. A file that cannot be read is "
        "named and left out.",
    )
    add("images", type=Path, nargs="+", help="radiographs, or folders of them")
    add("--output", "-o", type=Path, required=True, help="folder for the label maps and confidence.csv")
    models = "femur, lumbar-ap, lumbar-lateral, or a saved segmenter; docs/segmentation.md says how they were trained"
    add("--model", default="femur", help=models)
    kinds = "label maps as PNG, NIfTI or DICOM SEG, which names the patient; or outlines.json, one COCO file of all"
    add("--format", choices=["png", "nii.gz", "dcm", "coco"], default="png", help=kinds)
    add("--overlays", action="store_true", help="draw the outlines on each radiograph, too")
    add("--overwrite", action="store_true", help="replace label maps that are there; else they are refused")


def _add_recipe(add):
    add("table", type=Path, help="CSV, Excel or parquet file, a row a patient; relative paths start from its folder")
    add("--dry-run", action="store_true", help=_DRY_RUN)
    add("--label", required=True, help="column with the diagnosis")
    add(
        "--recipe",
        default="kim2022",
        help="kim2022, mao2022, vcfnet2022 or lumbar_transfer2024; its docstring names "
        "the columns that it reads; where a column of masks is missing, the weights of the package outline the bones",
    )
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="argument of the recipe, such as epochs=10")
    add("--seed", type=int, default=0)
    failed = "what happens to a bone that cannot be outlined or a region that cannot be measured"
    add("--on-error", choices=["raise", "skip"], default="raise", help=failed)


def _add_train(commands):
    example = "train cohort.csv --label diagnosis -o model.zip --set epochs=30"
    add = _command(commands, _cohorts.train, "train a published system on a table", example, _COHORT)
    _add_recipe(add)
    add("--output", "-o", type=Path, required=True, help="model to write, .zip or a folder")


def _add_predict(commands):
    add = _command(
        commands,
        _cohorts.predict,
        "apply a trained model to a table",
        "predict new.csv -m model.zip -o answers.csv",
        f"{_COHORT} Columns that the model does not read, such as numbers of patients, are written first.",
    )
    add("table", type=Path, help="CSV, Excel or parquet file with the columns of training")
    add("--dry-run", action="store_true", help=_DRY_RUN)
    add("--threshold", type=float, help="probability of the second class from which it is called; 0.5")
    add("--model", "-m", type=Path, required=True, help="what train has written")
    add("--output", "-o", type=Path, help=f"table to write, {_TABLE}; stdout without it")


def _add_review(commands):
    add = _command(
        commands,
        _cohorts.review,
        "a page on which every outline can be seen, judged and corrected",
        "review cohort.csv --masks mask --boxes femur -o review.html",
        "Write a page that opens in any browser without a network. Relative paths start from the folder of the table. "
        "What the page exports is put back by deepradiomics.review.apply.",
    )
    add("table", type=Path, help="CSV or parquet, a row a radiograph")
    pages = "file .html, or a folder for more than some hundred radiographs"
    add("--output", "-o", type=Path, required=True, help=pages)
    add("--image", default="radiograph", help="column of the radiographs")
    add("--masks", help="column of the label maps")
    add("--labels", default="left,right", help="names of the labels 1, 2 ...")
    add("--boxes", choices=["femur", "vertebrae"], help="boxes to place on the outlines")
    add("--names", help="column: what to call each radiograph, never the patient")
    add("--group", help="column: equal in rows to be shown side by side")
    add("--site", help="column: to filter by")
    add("--target", help="column: to filter by")
    add("--flags", help="column: comma-separated words")
    add("--confidence", help="column: from 0 to 1")


def _add_compare(commands):
    for name, run, text in (
        ("compare", _cohorts.compare, "compare clinical, texture and deep features and their sums"),
        ("report", _cohorts.report, "compare, and write one HTML page; finished folds of compare are not fitted again"),
    ):
        example = f"{name} cohort.csv --label diagnosis --external B=site_b.csv -o RESULTS"
        add = _command(commands, run, text, example, f"{_COHORT} Finished folds are kept in the folder.")
        _add_recipe(add)
        add("--output", "-o", type=Path, required=True, help="folder for the results")
        add("--classes", help="the classes in their order, such as normal,osteopenia,osteoporosis")
        add("--folds", type=int, default=5)
        add("--repeats", type=int, default=1, help="how often the cohort is split anew")
        add("--jobs", "-j", type=int, default=1, help="folds that run at a time")
        other = "another cohort; may be repeated"
        add("--external", action="append", default=[], metavar="NAME=TABLE", help=other)
        add("--event", metavar="LABEL", help="which of the two labels is the event, such as case")
        add("--subgroups", nargs="*", default=[], help="columns by which the report divides patients")


def _add_info(commands):
    add = _command(commands, _info, "versions, devices and engines", "info")
    add("--warm", action="store_true", help="compile the loops now, so that the first result comes fast")


def _info(options):
    """Print versions, devices and engines; compile the loops on a simulated hip if asked to."""
    from importlib.metadata import PackageNotFoundError, version
    from platform import platform, python_version
    from time import perf_counter

    from deepradiomics.texture._engine import find_device

    print(f"python {python_version()} on {platform()}")
    for package in ("deepradiomics", "numpy", "scikit-learn", "torch", "timm", "xgboost", "pyradiomics"):
        try:
            print(f"{package} {version(package)}")
        except PackageNotFoundError:
            print(f"{package} not installed")
    print(f"texture on {find_device('auto') or 'cpu'}")
    if options.warm:
        import deepradiomics as dr
        from deepradiomics.simulation import make_hips

        start, regions = perf_counter(), dr.FemurRegions(mask="mask").set_output(transform="pandas")
        necks = regions.fit_transform(make_hips(1, random_state=0).data)[["left_neck"]]
        dr.TextureExtractor({"Original": {}, "Wavelet": {}, "LoG": {"sigma": [1.0]}}).fit_transform(necks)
        print(f"loops ready after {perf_counter() - start:.1f} s")
    return 0
