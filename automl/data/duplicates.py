"""Byte-identical pictures: where they contradict each other's labels, and where they leak from one given split into another."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from automl.data.fingerprint import Hashed
from automl.data.sources.base import counted, some

Group = tuple[Hashed, ...]
_RANK = {"test": 3, "validation": 2, "train": 1, None: 0}


def duplicate_groups(items: Iterable[Hashed]) -> list[Group]:
    """Groups of two or more entries with identical content, in the order of their first entry."""
    by_digest: dict[str, list[Hashed]] = defaultdict(list)
    for item in items:
        by_digest[item.digest].append(item)
    return [tuple(group) for group in by_digest.values() if len(group) > 1]


def label_conflicts(groups: Sequence[Group]) -> list[Group]:
    """Groups whose entries have different labels."""
    return [group for group in groups if len({item.entry.label for item in group}) > 1]


def leaks(groups: Sequence[Group]) -> list[tuple[Hashed, Hashed]]:
    """Pairs (entry to remove, its copy that stays) of groups that stand on several given sides.

    The copy on the side that judges later stays: test before validation before training, so that given test and validation
    splits keep what they hold and no copy of it is trained on.
    """
    pairs = []
    for group in groups:
        keeper = max(group, key=lambda item: _RANK[item.entry.split])
        if _RANK[keeper.entry.split] >= _RANK["validation"]:
            pairs += [(item, keeper) for item in group if _RANK[item.entry.split] < _RANK[keeper.entry.split]]
    return pairs


def conflict_reasons(groups: Sequence[Group]) -> dict[str, str]:
    """Why each entry of conflicting groups is left out, by path. Which label is right cannot be known, so all are."""
    reasons = {}
    for group in groups:
        for item in group:
            other = next(copy for copy in group if copy.entry.label != item.entry.label)
            reasons[item.entry.path] = f"the same picture as {other.entry.path}, which is labelled {other.entry.label!r}"
    return reasons


def leak_reasons(pairs: Sequence[tuple[Hashed, Hashed]]) -> dict[str, str]:
    """Why each leaked entry is left out, by path."""
    return {item.entry.path: f"the same picture as {keeper.entry.path} of the {keeper.entry.split} split" for item, keeper in pairs}


def duplicate_warnings(conflicts: Sequence[Group], pairs: Sequence[tuple[Hashed, Hashed]]) -> list[str]:
    """What to tell the user about them."""
    found = []
    if conflicts:
        names = some(" = ".join(item.entry.path for item in group) for group in conflicts)
        found.append(f"{counted(len(conflicts), 'picture')} under different labels, left out: {names}")
    if pairs:
        names = some(f"{item.entry.path} = {keeper.entry.path}" for item, keeper in pairs)
        found.append(f"{counted(len(pairs), 'copy', 'copies')} of validation or test pictures elsewhere, left out: {names}")
    return found
