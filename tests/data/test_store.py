"""The decoded store survives kills, damage, full disks and a second builder."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from painting import paint_classes, prepared

from automl.data import disk, open_dataset, read_picture, store
from automl.errors import DataError

BUILDER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from painting import prepared

def progress(stage, done, total):
    if stage == "decode":
        print("decoding", flush=True)
        sys.stdin.readline()

prepared(Path(sys.argv[1]), Path(sys.argv[2]), progress=progress)
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOML_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return paint_classes(tmp_path / "photos", {"ants": 100, "bees": 100})


@pytest.fixture
def builder(cache: Path, photos: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is in the middle of building the store, and goes on when its input ends."""
    command = [sys.executable, "-c", BUILDER, str(photos), str(tmp_path / "first"), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "decoding\n"
        yield process
        process.kill()


def files(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.glob("stores/*/*") if path.name != "lock")


def check(photos: Path, study: Path) -> None:
    """All pictures of the training split are what the decoder gives."""
    data = open_dataset(study, image_size=8, resize="stretch")
    expected = np.stack([read_picture(photos / name, size=8) for name in data.train.names])
    assert np.array_equal(data.train.batch(slice(None))[0], expected)


def test_kill_in_the_middle_leaves_nothing_that_counts(builder: subprocess.Popen[str], cache: Path, photos: Path, tmp_path: Path) -> None:
    builder.send_signal(signal.SIGKILL)
    assert builder.wait() == -signal.SIGKILL
    assert any(name.startswith(".building-") for name in files(cache))
    assert not (tmp_path / "first" / "split.json").exists()

    prepared(photos, tmp_path / "second")

    assert files(cache) == ["8-stretch.json", "8-stretch.u8"]
    check(photos, tmp_path / "second")


def test_a_second_search_waits_for_the_first(builder: subprocess.Popen[str], cache: Path, photos: Path, tmp_path: Path) -> None:
    told: list[str] = []
    waiting = threading.Event()

    def progress(stage: str, done: int, total: int) -> None:
        told.append(stage)
        if stage == "waiting":
            waiting.set()

    second = threading.Thread(target=prepared, args=(photos, tmp_path / "second"), kwargs={"progress": progress})
    second.start()
    assert waiting.wait(60)
    assert not (tmp_path / "second" / "split.json").exists()
    assert builder.stdin is not None
    builder.stdin.close()
    second.join(60)

    assert builder.wait(60) == 0
    assert "decode" not in told
    check(photos, tmp_path / "second")


def damage_length(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def damage_content(path: Path) -> None:
    length = path.stat().st_size
    path.write_bytes(bytes(length))


def damage_description(path: Path) -> None:
    path.with_suffix(".json").write_text('{"version": 1, "unread')


def damage_version(path: Path) -> None:
    path.with_suffix(".json").write_text('{"version": 0, "unreadable": {}}')


@pytest.mark.parametrize("damage", [damage_length, damage_content, damage_description, damage_version, Path.unlink])
def test_damaged_store_is_built_again(damage: object, cache: Path, photos: Path, tmp_path: Path) -> None:
    prepared(photos, tmp_path / "study")
    (data,) = cache.glob("stores/*/8-stretch.u8")
    damage(data)  # type: ignore[operator]

    prepared(photos, tmp_path / "study")

    check(photos, tmp_path / "study")


def test_opening_builds_a_short_store_again(cache: Path, photos: Path, tmp_path: Path) -> None:
    """A mapped file that is shorter than it should be would end the process with a bus error."""
    prepared(photos, tmp_path / "study")
    (data,) = cache.glob("stores/*/8-stretch.u8")
    os.truncate(data, 1000)

    check(photos, tmp_path / "study")


def test_all_shapes_come_from_one_decoding(cache: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    decode = store.decode
    monkeypatch.setattr(store, "decode", lambda content: calls.append(1) or decode(content))

    prepared(photos, tmp_path / "study", image_sizes=[8, 16, 8], resizes=["stretch", "crop"])

    assert len(calls) == 200
    assert len(files(cache)) == 8


def test_too_little_space_is_said_beforehand(cache: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))

    with pytest.raises(DataError, match=r"need 30\.1 MB, but 1\.0 MB are free in .*cache.*AUTOML_CACHE_DIR"):
        prepared(photos, tmp_path / "study", image_sizes=[224])
    assert files(cache) == []


def test_disk_that_fills_while_allocating(cache: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk.os, "posix_fallocate", full)

    with pytest.raises(DataError, match=r"do not fit, but .* are free in .*AUTOML_CACHE_DIR"):
        prepared(photos, tmp_path / "study")
    assert files(cache) == []


def test_disk_that_fills_while_writing(cache: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on file systems that copy on write, where reserved space is not enough."""
    written = os.pwrite

    def fills(handle: int, data: bytes, offset: int) -> int:
        if offset > 5000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written(handle, data, offset)

    monkeypatch.setattr(disk.os, "pwrite", fills)

    with pytest.raises(DataError, match="do not fit"):
        prepared(photos, tmp_path / "study")
    assert files(cache) == []


FULL_DISK = """
import shutil, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from painting import prepared
from automl.data import disk
from automl.errors import DataError

if sys.argv[4] == "unaware":
    usage = shutil.disk_usage("/")
    disk.shutil.disk_usage = lambda _: usage._replace(free=10**12)
try:
    prepared(Path(sys.argv[1]), Path(sys.argv[2]), image_sizes=[128])
except DataError as error:
    print(error)
"""


@pytest.mark.parametrize(("knowledge", "expected"), [("aware", "need 9.8 MB, but "), ("unaware", "do not fit, but ")])
def test_really_full_disk(knowledge: str, expected: str, photos: Path, tmp_path: Path) -> None:
    """A small file system in memory, mounted in a namespace of its own so that no right to mount is needed."""
    mount = tmp_path / "small"
    mount.mkdir()
    script = 'mount -t tmpfs -o size=5m none "$1" && export AUTOML_CACHE_DIR="$1/cache" && shift && exec "$@"'
    program = [sys.executable, "-c", FULL_DISK, str(photos), str(tmp_path / "study"), str(Path(__file__).parent), knowledge]
    unshare = ["unshare", "-Urm"] if os.geteuid() else ["unshare", "-m"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system; the tests above pretend a full disk instead")

    done = subprocess.run([*unshare, "sh", "-c", script, "sh", str(mount), *program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert expected in done.stdout


def test_cache_that_cannot_be_written(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AUTOML_CACHE_DIR", str(tmp_path / "file" / "cache"))

    with pytest.raises(DataError, match="cannot be written: Not a directory; AUTOML_CACHE_DIR"):
        prepared(photos, tmp_path / "study")


def test_picture_that_changes_between_hashing_and_decoding(cache: Path, photos: Path, tmp_path: Path) -> None:
    def progress(stage: str, done: int, total: int) -> None:
        if stage == "read" and done == total:
            shutil.copyfile(photos / "bees" / "1.png", photos / "bees" / "0.png")

    with pytest.raises(DataError, match=r"bees/0\.png has changed since it was first read"):
        prepared(photos, tmp_path / "study", progress=progress)
    assert files(cache) == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"AUTOML_CACHE_DIR": "/one", "XDG_CACHE_HOME": "/two"}, "/one"),
        ({"XDG_CACHE_HOME": "/two"}, "/two/automl"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/home/me"}, "/home/me/.cache/automl"),
    ],
)
def test_cache_dir(variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("AUTOML_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert str(store.cache_dir()) == expected
