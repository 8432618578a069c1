"""Divides pictures into train, validation and test: stratified, seeded, and the same whatever order they come in.

What is divided are units: pictures that share their bytes or a group stay together. Chance comes from a digest of the seed and
the unit's first path, so one picture more or less hardly moves the others.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl.data.sources.base import SPLITS, SplitName

Need = dict[SplitName, Counter[str]]


@dataclass(frozen=True, slots=True)
class Item:
    """One picture to be divided.

    Attributes:
        keys: Whatever ties it to others; items that share a key form one unit.
        fixed: The side on which it must stand.
        stays: The side that it takes when another item of its unit is fixed; None follows that one.
    """

    path: str
    label: str
    keys: tuple[str, ...] = ()
    fixed: SplitName | None = None
    stays: SplitName | None = None


@dataclass(frozen=True)
class Unit:
    """Items that stay together, sorted by path."""

    items: tuple[Item, ...]
    labels: Counter[str]
    chance: float

    @property
    def order(self) -> tuple[int, float, str]:
        """Large units first, since they fit in fewer places; then by chance."""
        return -len(self.items), self.chance, self.items[0].path


def assign(items: Sequence[Item], shares: Mapping[SplitName, float], seed: int) -> dict[str, SplitName]:
    """Give each item a side.

    Every class has a unit in training, then one in validation, then one in test, as far as it has that many units; beyond
    that each side gets its share of the class to the nearest picture where units are single pictures, and nearly so
    otherwise. Units with a fixed member follow it and do not count.

    Args:
        shares: Wanted shares of validation and test; 0 or absent for none. Training gets the rest.

    Returns:
        The side by path.
    """
    sides: dict[str, SplitName] = {}
    free: list[Unit] = []
    for unit in _units(items, seed):
        fixed = [item.fixed for item in unit.items if item.fixed is not None]
        if not fixed:
            free.append(unit)
            continue
        follow = next(side for side in reversed(SPLITS) if side in fixed)
        sides.update((item.path, item.fixed or item.stays or follow) for item in unit.items)
    wanted = [side for side in SPLITS if side == "train" or shares.get(side, 0) > 0]
    placed = _place(sorted(free, key=lambda unit: unit.order), wanted, _targets(free, shares))
    _give_every_side_a_unit(placed, wanted)
    for side, units in placed.items():
        sides.update((item.path, side) for unit in units for item in unit.items)
    return sides


def _units(items: Sequence[Item], seed: int) -> list[Unit]:
    """The connected components of items under shared keys (union-find with path halving)."""
    parent = list(range(len(items)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[str, int] = {}
    for index, item in enumerate(items):
        for key in item.keys:
            parent[root(index)] = root(first.setdefault(key, index))
    members: dict[int, list[Item]] = defaultdict(list)
    for index, item in enumerate(items):
        members[root(index)].append(item)
    return [_unit(group, seed) for group in members.values()]


def _unit(members: list[Item], seed: int) -> Unit:
    ordered = tuple(sorted(members, key=lambda item: item.path))
    token = f"{seed}\0{ordered[0].path}".encode("utf-8", "surrogateescape")
    chance = int.from_bytes(hashlib.blake2b(token, digest_size=8).digest()) / 2**64
    return Unit(ordered, Counter(item.label for item in ordered), chance)


def _targets(units: Sequence[Unit], shares: Mapping[SplitName, float]) -> Need:
    """How many pictures of each class every side should get."""
    pictures: Counter[str] = Counter()
    independent: Counter[str] = Counter()
    for unit in units:
        pictures.update(unit.labels)
        independent.update(unit.labels.keys())
    need: Need = {side: Counter() for side in SPLITS}
    for label, count in pictures.items():
        left = independent[label] - 1
        for side in ("validation", "test"):
            share = shares.get(side, 0)
            if share > 0 and left > 0:
                need[side][label] = max(1, round(share * count))
                left -= 1
        while need["validation"][label] + need["test"][label] > max(count - 1, 0):
            larger: SplitName = "validation" if need["validation"][label] > need["test"][label] else "test"
            need[larger][label] -= 1
        need["train"][label] = count - need["validation"][label] - need["test"][label]
    return need


def _place(units: Sequence[Unit], wanted: Sequence[SplitName], need: Need) -> dict[SplitName, list[Unit]]:
    """Put each unit where it fills most of what is needed and overflows least; among equals by chance, weighted by need."""
    placed: dict[SplitName, list[Unit]] = {side: [] for side in wanted}
    for unit in units:
        gains = {side: sum(_gain(count, need[side][label]) for label, count in unit.labels.items()) for side in wanted}
        best = max(gains.values())
        equal = [side for side in wanted if gains[side] == best]
        weights = [max(0, sum(need[side][label] for label in unit.labels)) for side in equal]
        # The leading digits already decided the order among units of one size, so the choice takes the trailing ones.
        point = (unit.chance * 2**32) % 1 * sum(weights)
        side = equal[0]
        for candidate, weight in zip(equal, weights, strict=True):
            side = candidate
            if point < weight:
                break
            point -= weight
        placed[side].append(unit)
        need[side].subtract(unit.labels)
    return placed


def _gain(count: int, need: int) -> int:
    fits = min(count, max(0, need))
    return fits - (count - fits)


def _give_every_side_a_unit(placed: dict[SplitName, list[Unit]], wanted: Sequence[SplitName]) -> None:
    """Move units so that each class stands in training, then validation, then test, as far as its units reach."""
    present = {side: Counter(label for unit in placed[side] for label in unit.labels) for side in wanted}
    labels = sorted({label for side in wanted for label in present[side]})
    by_label: dict[str, list[tuple[Unit, SplitName]]] = defaultdict(list)
    for side in wanted:
        for unit in placed[side]:
            for label in unit.labels:
                by_label[label].append((unit, side))
    moved: dict[int, SplitName] = {}
    for place, side in enumerate(wanted):
        for label in labels:
            if present[side][label]:
                continue
            # A side that comes earlier must keep a unit of every class; a later one may lose its last.
            candidates = []
            for unit, origin in by_label[label]:
                here = moved.get(id(unit), origin)
                keeps = all(present[here][other] > 1 for other in unit.labels)
                if here != side and (keeps or wanted.index(here) > place):
                    candidates.append((not keeps, wanted.index(here), unit.order[1:], here, unit, len(unit.items)))
            if not candidates:
                continue
            _, _, _, here, unit, _ = min(candidates, key=lambda found: (found[0], found[5], found[1], found[2]))
            moved[id(unit)] = side
            present[here].subtract(unit.labels.keys())
            present[side].update(unit.labels.keys())
    if moved:
        everything = [(moved.get(id(unit), side), unit) for side in wanted for unit in placed[side]]
        for side in wanted:
            placed[side] = [unit for where, unit in everything if where == side]
