"""What a comparison answers: the contrasts that were planned, the table at 80 columns, and a paragraph in words."""

from dataclasses import replace
from itertools import chain

import pandas as pd

from deepradiomics.metrics.holm import holm_of_known

_WIDTH = 80


def main_figure(comparison):
    """The column that a comparison is judged by, its name in words, and whether more of it is better."""
    if "auc" not in comparison.table:
        return "mae", "mean absolute error", False
    if len(comparison.classes) > 2:
        return "auc", "mean one-against-rest area under the ROC curve", True
    return "auc", "area under the ROC curve", True


def planned_pairs(feature_sets):
    """Pairs of names that answer a question: each set against clinical alone, and all blocks against all but one.

    Where neither question can be asked, each against the first.
    """
    names = list(feature_sets)
    by_blocks = {frozenset(blocks): name for name, blocks in feature_sets.items()}
    everything = frozenset().union(*by_blocks)
    alone = by_blocks.get(frozenset(["clinical"]))
    pairs = [] if alone is None else [(alone, name) for name in names if name != alone]
    if len(everything) > 1 and everything in by_blocks:
        pairs += [(by_blocks.get(everything - {block}), by_blocks[everything]) for block in everything]
    pairs = {tuple(sorted(pair, key=names.index)) for pair in pairs if None not in pair}
    pairs = pairs or {(names[0], name) for name in names[1:]}
    return sorted(pairs, key=lambda pair: [names.index(name) for name in pair])


def planned_tests(tests, feature_sets):
    """Keep the planned tests, and correct ``p_holm`` for their own number within each cohort (and class)."""
    if tests.empty:
        return tests
    pairs = planned_pairs(feature_sets)
    found = tests[[key[-2:] in pairs for key in tests.index]].copy()
    others = list(found.index.names[:-2])
    for rows in found.groupby(others, sort=False).indices.values():
        found.iloc[rows, found.columns.get_loc("p_holm")] = holm_of_known(found["p_value"].iloc[rows])
    return found


def lines_of(table):
    """Lay out a table (cohort, features) x intervals and numbers at 80 columns, a cohort after the other.

    ``n`` and ``events`` stand in its head; columns that do not fit stand in a second table below.
    """
    lines = []
    for cohort, part in table.groupby(level="cohort", sort=False):
        part, head = part.droplevel("cohort"), []
        for name in ("n", "events"):
            if name in part and (part[name] == part[name].iloc[0]).all():
                head.append(f"{name} {part[name].iloc[0]:g}")
                part = part.drop(columns=name)
        lines += ["" for _ in lines[:1]] + [f"{cohort}: {', '.join(head)}" if head else str(cohort)]
        cells = {"features": [str(name) for name in part.index]}
        cells |= {
            name: [f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in part[name]] for name in part
        }
        columns = []
        for name, texts in cells.items():
            width = max(map(len, [str(name), *texts]))
            columns.append([text.ljust(width) for text in (str(name), *texts)])
        first, rest = columns[0], columns[1:]
        while rest:
            shown = [first, rest.pop(0)]
            while rest and sum(len(column[0]) + 2 for column in (*shown, rest[0])) - 2 <= _WIDTH:
                shown.append(rest.pop(0))
            lines += ["  ".join(row).rstrip() for row in zip(*shown, strict=True)]
    return lines


def larger_first(tests, sets):
    """Tests as rows, turned so that ``difference`` says what the larger set gains; else the second of the two."""
    rows = []
    for row in tests.reset_index().to_dict("records"):
        if not set(sets[row["b"]]) < set(sets[row["a"]]):
            for one, other in (("a", "b"), ("auc_a", "auc_b"), ("mae_a", "mae_b")):
                if one in row:
                    row[one], row[other] = row[other], row[one]
            gain = row["difference"]
            row["difference"] = replace(gain, estimate=-gain.estimate, low=-gain.high, high=-gain.low)
            row |= {"z": -row["z"]} if "z" in row else {}
        rows.append(row)
    return pd.DataFrame(rows)


def question(comparison):
    """Say what a comparison asks."""
    sets, classes = comparison.sets, [str(label) for label in getattr(comparison, "classes", ())]
    task = "predicting the measured values"
    if len(classes) == 2:
        task = f"telling {classes[1]} from {classes[0]}"
    elif classes:
        task = f"telling {', '.join(classes[:-1])} and {classes[-1]} apart"
    others = [block for block in dict.fromkeys(chain(*sets.values())) if block != "clinical"]
    if ["clinical"] in sets.values() and others:
        return f"What {'do' if len(others) > 1 else 'does'} {' and '.join(others)} add to clinical in {task}?"
    return f"{'Which is best at' if len(sets) > 1 else 'How good at'} {task}: {', '.join(sets)}?"


def sentences(comparison):
    """List, without full stops, which set has how much, what each addition changes, and how sure that is."""
    sets, tests, table = comparison.sets, comparison.contrasts, comparison.formatted()
    if "class" in tests.index.names:
        tests = tests.xs("macro", level="class")
    figure, what, more_is_better = main_figure(comparison)
    # What explains the columns of numbers is no answer.
    told = [] if figure == "mae" else list(comparison._above)[:1]
    gains = larger_first(tests, sets)
    for cohort in table.index.get_level_values("cohort").unique():
        rows = table.loc[cohort]
        n, names = rows.iloc[0], list(rows.index)
        counts = f"{n['n']:g} rows" + (f", {n['events']:g} events" if "events" in rows else "")
        told.append(f"{cohort} ({counts}): the {what} of {names[0]} is {rows[figure].iloc[0]} (95 % interval)")
        own = gains[gains["cohort"] == cohort] if len(gains) else gains
        # What a block adds is the question; what stands in place of another is told where nothing is added.
        grows = [set(sets[b]) < set(sets[a]) for a, b in zip(own["a"], own["b"], strict=True)] if len(own) else []
        for (_, test), adds in zip(own.iterrows(), grows, strict=True):
            if adds or not any(grows):
                told.append(_contrast(test, sets, more_is_better))
        if len(own):
            told.append(f"p, not the interval, is corrected after Holm for {len(own)} planned tests")
    return told


def _contrast(test, sets, more_is_better):
    """One contrast in words, the larger set against the smaller."""
    a, b, change = test["a"], test["b"], test["difference"]
    added = [block for block in sets[a] if block not in sets[b]]
    subject = f"{' and '.join(added)} added to {b}" if set(sets[b]) < set(sets[a]) else f"{a} in place of {b}"
    if pd.isna(test["p_holm"]):
        return f"{subject}: too few rows for a test"
    p_value = "p < 0.001" if test["p_holm"] < 0.001 else f"p = {test['p_holm']:.3f}"
    if test["p_holm"] >= 0.05:
        verdict = "no difference is shown"
    else:
        verdict = "better" if (float(change) > 0) == more_is_better else "worse"
    return f"{subject}: {change:+.2f}, {p_value}, {verdict}"
