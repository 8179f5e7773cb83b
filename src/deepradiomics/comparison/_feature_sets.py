"""Which blocks make up a feature set: the seven published sums, or the user's own."""

from collections.abc import Iterable, Mapping
from itertools import combinations

from deepradiomics.exceptions import InputError

# The order in which Kim et al. 2022 print them.
_PUBLISHED = ("C", "T", "D", "TC", "DC", "DT", "DTC")
_LETTERS = {"C": "clinical", "T": "texture", "D": "deep"}
# Beyond four blocks the sums are too many to compare (31 sets, 465 tests for five).
_MOST_BLOCKS = 4


def default_feature_sets(blocks):
    """Blocks of each set that is compared by default.

    For blocks named clinical, texture and deep the published C, T, D, TC, DC, DT, DTC, or those of them that exist; for
    others all non-empty sums, such as ``hip+spine``; for more than four blocks each alone and all together.
    """
    if set(blocks) <= set(_LETTERS.values()):
        sets = {name: [_LETTERS[letter] for letter in name] for name in _PUBLISHED}
        return {name: members for name, members in sets.items() if set(members) <= set(blocks)}
    sizes = range(1, len(blocks) + 1) if len(blocks) <= _MOST_BLOCKS else (1, len(blocks))
    return {"+".join(members): list(members) for size in sizes for members in combinations(blocks, size)}


def resolve_feature_sets(feature_sets, blocks):
    """Blocks of each feature set that the user asks for, in the order of the model.

    None is the default; a list names default sets or sums such as ``"texture+clinical"``; a dict gives the blocks of
    each set by the name it shall have. An empty set and an unknown block are refused.
    """
    default = default_feature_sets(blocks)
    if feature_sets is None:
        return {name: _in_order(name, members, blocks) for name, members in default.items()}
    if isinstance(feature_sets, str):
        feature_sets = [feature_sets]
    if not isinstance(feature_sets, Mapping):
        feature_sets = {name: default.get(name, name.split("+")) for name in _names(feature_sets)}
    if not feature_sets:
        raise InputError("feature_sets is empty; name at least one set, or give None")
    return {name: _in_order(name, members, blocks) for name, members in feature_sets.items()}


def _names(feature_sets):
    names = list(feature_sets) if isinstance(feature_sets, Iterable) else [feature_sets]
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise InputError(
            f"feature_sets names {wrong[0]!r}; give a list of names such as 'TC' or 'texture+clinical', or a dict with "
            "the blocks of each set"
        )
    return names


def _in_order(name, members, blocks):
    members = [members] if isinstance(members, str) else list(members)
    unknown = [member for member in members if member not in blocks]
    if unknown or not members:
        raise InputError(
            f"feature set {name!r} names {unknown or 'no block'}; the blocks of the model are {', '.join(blocks)}"
        )
    return [block for block in blocks if block in members]
