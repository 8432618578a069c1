"""Features are computed once, whatever is killed; and they are the same numbers, whatever the disk does."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl.data import disk, features
from automl.data.features import FeatureKey, ensure_features, features_limit
from automl.errors import DataError

KEY = FeatureKey("abc 12", "train", "MobileNet alpha=0.25", 96, "crop", "output, avg", "none", 0, "def", "Keras 3, cpu")
ROWS, WIDTH = 1000, 12
SET_BYTES = ROWS * WIDTH * 4

SUITE = """
import os, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from test_features import KEY, ROWS, WIDTH, values
from automl.data.features import ensure_features

def say(word):
    print(word, flush=True)
"""

BUILDER = (
    SUITE
    + """
def blocks():
    yield values()[:100]
    say("computing")
    sys.stdin.readline()
    yield values()[100:]

found = ensure_features(KEY, rows=ROWS, width=WIDTH, dtype="float32", blocks=blocks, waiting=lambda: say("waiting"))
say("done" if np.array_equal(found, values()) else "wrong")
"""
)

FULL_DISK = (
    SUITE
    + """
def blocks():
    yield from np.split(values(5_000_000 // 48 * 2), 2)

from automl.data import disk
if sys.argv[2] == "unaware":
    disk.disk_usage = lambda path: (10**12, 10**12)
found = ensure_features(KEY, rows=5_000_000 // 48 * 2, width=WIDTH, dtype="float32", blocks=blocks, notice=say)
say("same" if np.array_equal(found, values(5_000_000 // 48 * 2)) else "wrong")
"""
)


def values(rows: int = ROWS) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).normal(size=(rows, WIDTH)).astype(np.float32)


class Backbone:
    """Gives the blocks of an array and counts the passes over it."""

    def __init__(self, rows: np.ndarray[Any, Any] | None = None) -> None:
        self.rows = values() if rows is None else rows
        self.passes = 0

    def __call__(self) -> Iterator[np.ndarray[Any, Any]]:
        self.passes += 1
        for start in range(0, len(self.rows), 300):
            yield self.rows[start : start + 300]


def ensure(blocks: Callable[[], Iterator[np.ndarray[Any, Any]]], key: FeatureKey = KEY, **options: Any) -> np.ndarray[Any, Any]:
    return ensure_features(key, **{"rows": ROWS, "width": WIDTH, "dtype": "float32", "blocks": blocks, **options})


def never() -> Iterator[np.ndarray[Any, Any]]:
    raise AssertionError("computed although it is there")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOML_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("AUTOML_FEATURES_GB", raising=False)
    return tmp_path / "cache" / "features"


def files(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.glob("*/*") if path.name != "lock")


def limit_to(sets: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_FEATURES_GB", str(sets * SET_BYTES / 1e9))


def fail_with(code: int) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def test_the_second_call_maps_what_the_first_computed(cache: Path) -> None:
    backbone = Backbone()
    first, second = ensure(backbone), ensure(never)

    assert backbone.passes == 1
    assert isinstance(first, np.memmap)
    assert isinstance(second, np.memmap)
    assert not second.flags.writeable
    assert np.array_equal(first, values())
    assert np.array_equal(second, values())
    assert files(cache) == ["description.json", "rows"]


def test_everything_in_the_key_and_the_shape_tells_sets_apart(cache: Path) -> None:
    keys = [KEY, *(replace(KEY, **{name: "other"}) for name in vars(KEY) if name != "image_size"), replace(KEY, image_size=97)]
    for key in keys:
        ensure(Backbone(), key)
    ensure(Backbone(), dtype="float16")
    ensure(Backbone(values(ROWS + 1)), rows=ROWS + 1)

    assert len(list(cache.glob("*/rows"))) == len(vars(KEY)) + 3


def test_float16_takes_half_the_room(cache: Path) -> None:
    found = ensure(Backbone(), dtype="float16")

    assert found.dtype == np.float16
    assert np.array_equal(found, values().astype(np.float16))
    assert [path.stat().st_size for path in cache.glob("*/rows")] == [SET_BYTES // 2]


@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize("value", [6e4, -7e4, np.inf, np.nan])
def test_values_beyond_float16_make_the_set_float32(value: float, is_kept: bool, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_kept:
        limit_to(0, monkeypatch)
    rows = values()
    rows[700, 3] = value

    found = ensure(Backbone(rows), dtype="float16")

    assert found.dtype == np.float32
    assert np.array_equal(found, rows, equal_nan=True)
    if is_kept:
        assert np.array_equal(ensure(never, dtype="float16"), rows, equal_nan=True)


# --- several processes -----------------------------------------------------------------------------------------------


@pytest.fixture
def start() -> Iterator[Callable[[str], "subprocess.Popen[str]"]]:
    """Starts processes that are killed in the end; each says what it does and goes on when its input ends."""
    started: list[subprocess.Popen[str]] = []

    def begin(program: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", program, str(Path(__file__).parent)]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def heard(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_processes_compute_once(start: Callable[[str], "subprocess.Popen[str]"], cache: Path) -> None:
    first = start(BUILDER)
    assert heard(first) == "computing"
    second = start(BUILDER)
    assert [heard(second), heard(second)] == ["waiting", "waiting"]
    assert "description.json" not in files(cache)

    told, _ = first.communicate()
    rest, _ = second.communicate()

    assert told == "done\n"
    assert rest.split()[-1] == "done"
    assert np.array_equal(ensure(never), values())


def test_a_killed_writer_leaves_nothing_that_counts(start: Callable[[str], "subprocess.Popen[str]"], cache: Path) -> None:
    process = start(BUILDER)
    assert heard(process) == "computing"
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (left,) = files(cache)
    assert left.startswith(".building-")

    assert np.array_equal(ensure(Backbone()), values())
    assert files(cache) == ["description.json", "rows"]


def test_what_is_being_computed_is_not_deleted_for_room(
    start: Callable[[str], "subprocess.Popen[str]"], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(BUILDER)
    assert heard(process) == "computing"
    limit_to(1.5, monkeypatch)
    told: list[str] = []

    found = ensure(Backbone(), replace(KEY, side="validation"), notice=told.append)

    assert np.array_equal(found, values())
    assert "sets that are being computed leave too little" in told[0]
    assert process.communicate()[0] == "done\n"
    ensure(never)


# --- the disk --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "code", "expected"),
    [
        ("posix_fallocate", errno.ENOSPC, "cannot be written: No space left on device; AUTOML_CACHE_DIR"),
        ("pwrite", errno.ENOSPC, "cannot be written: No space left on device"),
        ("pwrite", errno.EIO, "cannot be written: Input/output error"),
        ("replace", errno.EIO, "cannot be written: Input/output error"),
    ],
)
def test_a_disk_that_fails_changes_no_number(function: str, code: int, expected: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk.os, function, fail_with(code))
    backbone, told = Backbone(), list[str]()

    found = ensure(backbone, notice=told.append)

    assert np.array_equal(found, values())
    assert not found.flags.writeable
    assert backbone.passes == (1 if function == "posix_fallocate" else 2)
    assert len(told) == 1
    assert told[0].startswith(
        "features are kept in memory instead of on disk (train, MobileNet alpha=0.25, output, avg, 96 px crop; 48.0 kB)"
    )
    assert expected in told[0]
    assert files(cache) == []


def test_a_disk_that_cannot_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk.os, "posix_fallocate", fail_with(errno.EOPNOTSUPP))
    ensure(Backbone())
    assert np.array_equal(ensure(never), values())


def test_a_description_that_cannot_be_written_leaves_no_rows(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "write_atomically", fail_with(errno.ENOSPC))
    assert np.array_equal(ensure(Backbone()), values())
    assert files(cache) == []


@pytest.mark.parametrize(("knowledge", "expected"), [("aware", "may take 838.9 kB"), ("unaware", "No space left on device")])
def test_a_really_full_disk(knowledge: str, expected: str, tmp_path: Path) -> None:
    """A small file system in memory, mounted in a namespace of its own so that no right to mount is needed."""
    (tmp_path / "small").mkdir()
    script = 'mount -t tmpfs -o size=8m none "$1" && export AUTOML_CACHE_DIR="$1/cache" && shift && exec "$@"'
    unshare = ["unshare", "-Urm"] if os.geteuid() else ["unshare", "-m"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system; the tests above pretend a full disk instead")

    program = [sys.executable, "-c", FULL_DISK, str(Path(__file__).parent), knowledge]
    command = [*unshare, "sh", "-c", script, "sh", str(tmp_path / "small"), *program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    told, last = done.stdout.splitlines()
    assert expected in told
    assert last == "same"


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AUTOML_CACHE_DIR", str(tmp_path / "file" / "cache"))
    told: list[str] = []

    assert np.array_equal(ensure(Backbone(), notice=told.append), values())
    assert "cannot be written: Not a directory" in told[0]


def test_what_is_there_is_read_where_nothing_can_be_written(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure(Backbone())
    for name in ("utime", "open"):
        monkeypatch.setattr(disk.os, name, fail_with(errno.EROFS))
    assert np.array_equal(ensure(never), values())


def damage_length(rows: Path) -> None:
    os.truncate(rows, rows.stat().st_size - 1)


def damage_content(rows: Path) -> None:
    rows.write_bytes(bytes(rows.stat().st_size))


def damage_description(rows: Path) -> None:
    rows.with_name("description.json").write_text('{"version": 1, "dt')


def damage_version(rows: Path) -> None:
    rows.with_name("description.json").write_text('{"version": 0, "dtype": "float32"}')


@pytest.mark.parametrize("damage", [damage_length, damage_content, damage_description, damage_version, Path.unlink])
def test_a_damaged_set_is_computed_again(damage: Callable[[Path], None], cache: Path) -> None:
    ensure(Backbone())
    (rows,) = cache.glob("*/rows")
    damage(rows)

    assert np.array_equal(ensure(Backbone()), values())
    assert np.array_equal(ensure(never), values())


# --- what the backbone does ------------------------------------------------------------------------------------------


def test_an_error_of_the_backbone_leaves_nothing(cache: Path) -> None:
    def blocks() -> Iterator[np.ndarray[Any, Any]]:
        yield values()[:300]
        raise OSError(errno.EIO, "the pictures cannot be read")

    with pytest.raises(OSError, match="the pictures cannot be read"):
        ensure(blocks)
    assert files(cache) == []
    ensure(Backbone())


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (values(ROWS - 1), "expected 1000 rows, but got 999"),
        (values(ROWS + 1), r"expected 1000 rows of 12 values, but got a block \(101, 12\) at row 900"),
        (values()[:, :11], r"but got a block \(300, 11\) at row 0"),
    ],
)
def test_blocks_of_another_shape_are_refused(rows: np.ndarray[Any, Any], expected: str, cache: Path) -> None:
    with pytest.raises(ValueError, match=expected):
        ensure(Backbone(rows))
    assert files(cache) == []


# --- the limit -------------------------------------------------------------------------------------------------------


def test_the_longest_unused_sets_make_room(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit_to(3.1, monkeypatch)
    first, second, third, fourth = (replace(KEY, side=side) for side in ("a", "b", "c", "d"))
    for age, key in enumerate((first, second, third)):
        mapped = ensure(Backbone(), key)
        description = max(cache.glob("*/description.json"), key=lambda path: path.stat().st_mtime_ns)
        for path in description.parent.iterdir():
            os.utime(path, (1000 + age, 1000 + age))
    ensure(never, first)

    ensure(Backbone(), fourth)

    assert len(list(cache.glob("*/rows"))) == 3
    for key in (first, third, fourth):
        ensure(never, key)
    again = Backbone()
    ensure(again, second)
    assert again.passes == 1
    assert np.array_equal(mapped, values()), "what is mapped stays readable when it is deleted"


def test_a_set_larger_than_the_limit_is_not_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure(Backbone(), replace(KEY, side="test"))
    limit_to(0.9, monkeypatch)
    backbone, told = Backbone(), list[str]()

    assert np.array_equal(ensure(backbone, notice=told.append), values())

    assert backbone.passes == 1
    assert "all such sets together may take 43.2 kB; AUTOML_FEATURES_GB" in told[0]
    ensure(never, replace(KEY, side="test"))


def test_too_little_free_space(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_FEATURES_GB", "1")
    monkeypatch.setattr(disk, "disk_usage", lambda path: (10**12, SET_BYTES - 1))
    told: list[str] = []

    assert np.array_equal(ensure(Backbone(), notice=told.append), values())
    assert "48.0 kB are free in" in told[0]


@pytest.mark.parametrize(("total", "free", "limit"), [(1000, 900, 100), (1000, 60, 30), (1000, 0, 0)])
def test_the_limit_follows_from_the_disk(total: int, free: int, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "disk_usage", lambda path: (total, free))
    assert features_limit() == limit


def test_what_features_take_already_does_not_lower_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    ensure(Backbone())
    monkeypatch.setattr(disk, "disk_usage", lambda path: (10**9, 2 * SET_BYTES))
    assert features_limit() >= (3 * SET_BYTES) // 2


@pytest.mark.parametrize("given", ["many", "-1", "nan", "inf"])
def test_a_limit_that_is_no_number(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_FEATURES_GB", given)
    with pytest.raises(DataError, match=f"AUTOML_FEATURES_GB: expected a number of gigabytes, 0 or more, but got '{given}'"):
        features.features_limit()
