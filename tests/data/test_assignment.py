"""The division keeps its promises for every data set that hypothesis thinks of."""

import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.assignment import Item, assign
from automl.data.sources.base import SplitName

shares = st.fixed_dictionaries({"validation": st.floats(0.05, 0.4), "test": st.one_of(st.just(0.0), st.floats(0.05, 0.4))})


@st.composite
def singles(draw: st.DrawFn) -> list[Item]:
    counts = draw(st.lists(st.integers(1, 60), min_size=1, max_size=6))
    return [Item(f"{label}/{number}", str(label)) for label, count in enumerate(counts) for number in range(count)]


@st.composite
def tied(draw: st.DrawFn) -> list[Item]:
    """Pictures of a few classes, tied by groups that may span classes and by equal bytes."""
    size = draw(st.integers(1, 80))
    labels, groups, contents = (draw(st.lists(st.integers(0, top), min_size=size, max_size=size)) for top in (3, 15, 40))
    return [
        Item(f"{number}.png", f"class {label}", (f"bytes {content}", *((f"group {group}",) if group > 5 else ())))
        for number, (label, group, content) in enumerate(zip(labels, groups, contents, strict=True))
    ]


def units_of(items: list[Item]) -> dict[str, int]:
    """The unit's number by path, found by merging until nothing changes."""
    unit = {item.path: number for number, item in enumerate(items)}
    by_key: dict[str, int] = {}
    before: object = None
    while before != (unit, by_key):
        before = (dict(unit), dict(by_key))
        for item in items:
            for key in item.keys:
                by_key[key] = unit[item.path] = min(by_key.get(key, len(items)), unit[item.path])
    return unit


@given(singles(), shares, st.integers(0, 5))
def test_single_pictures_get_their_share_to_the_picture(items: list[Item], wanted: dict[SplitName, float], seed: int) -> None:
    sides = assign(items, wanted, seed)

    counts = Counter(item.label for item in items)
    got = Counter((item.label, sides[item.path]) for item in items)
    for label, count in counts.items():
        for side, share in wanted.items():
            assert abs(got[label, side] - share * count) <= 1
        cut = [side for side in ("train", "validation", "test") if side == "train" or wanted[side]]
        assert all(got[label, side] for side in cut[:count])


@given(tied(), shares, st.integers(0, 5))
def test_tied_pictures_stay_together(items: list[Item], wanted: dict[SplitName, float], seed: int) -> None:
    sides = assign(items, wanted, seed)

    assert sides.keys() == {item.path for item in items}
    where: dict[int, set[str]] = defaultdict(set)
    for path, unit in units_of(items).items():
        where[unit].add(sides[path])
    assert all(len(places) == 1 for places in where.values())


@given(tied(), shares)
def test_every_class_is_trained(items: list[Item], wanted: dict[SplitName, float]) -> None:
    sides = assign(items, wanted, 0)

    assert {item.label for item in items} == {item.label for item in items if sides[item.path] == "train"}


@given(tied(), shares, st.randoms(use_true_random=False))
def test_order_does_not_matter(items: list[Item], wanted: dict[SplitName, float], shuffler: random.Random) -> None:
    shuffled = list(items)
    shuffler.shuffle(shuffled)

    assert assign(items, wanted, 3) == assign(shuffled, wanted, 3)


@settings(max_examples=30)
@given(st.integers(30, 60), st.integers(0, 50))
def test_one_picture_more_hardly_moves_the_others(count: int, seed: int) -> None:
    items = [Item(f"{number}", "a") for number in range(count)]
    before = assign(items, {"validation": 0.2, "test": 0.2}, seed)
    after = assign([*items, Item("new", "a")], {"validation": 0.2, "test": 0.2}, seed)

    assert sum(before[path] != after[path] for path in before) <= count // 2


def test_seed_changes_the_division() -> None:
    items = [Item(f"{number}", "a") for number in range(50)]

    assert assign(items, {"validation": 0.2}, 0) != assign(items, {"validation": 0.2}, 1)


def test_fixed_sides_hold_and_their_group_follows() -> None:
    items = [
        Item("given", "a", ("group 1",), fixed="test"),
        Item("follows", "a", ("group 1",)),
        Item("stays", "a", ("group 1",), stays="train"),
        *(Item(f"{number}", "a") for number in range(10)),
    ]

    sides = assign(items, {"validation": 0.2}, 0)

    assert (sides["given"], sides["follows"], sides["stays"]) == ("test", "test", "train")
    assert Counter(sides.values()) == {"train": 9, "validation": 2, "test": 2}


def test_duplicates_do_not_gather_on_one_side() -> None:
    """Pairs are placed first; were ties not left to chance, validation and test would consist of them."""
    pairs = [Item(f"pair {number}/{copy}", "a", (f"bytes {number}",)) for number in range(20) for copy in range(2)]
    items = [*pairs, *(Item(f"single {number}", "a") for number in range(160))]

    divisions = [assign(items, {"validation": 0.2, "test": 0.2}, seed) for seed in range(20)]
    held = Counter(sides[item.path] for sides in divisions for item in pairs)

    assert held["validation"] / sum(held.values()) == pytest.approx(0.2, abs=0.06)
    assert held["test"] / sum(held.values()) == pytest.approx(0.2, abs=0.06)


def test_large_groups_reach_validation() -> None:
    items = [Item(f"{group}/{number}", "a", (f"group {group}",)) for group in range(3) for number in range(50)]

    sides = assign(items, {"validation": 0.15, "test": 0.15}, 0)

    assert Counter(sides.values()) == {"train": 50, "validation": 50, "test": 50}
