"""Class folders, alone or inside train/ val/ test/ folders.

A file counts as a picture by its suffix or, with any other suffix or none, by its first bytes. Whatever the operating
system or an editor leaves behind is passed over in silence; every other file is left out with a reason.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from automl.data.sources.base import (
    LAYOUTS,
    SPLIT_WORDS,
    Entry,
    FileReader,
    Source,
    SplitName,
    counted,
    natural_key,
    printable,
    some,
    sorted_classes,
    sorted_entries,
)  # fmt: skip
from automl.errors import DataError

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".jp2", ".avif"}
)
_SYSTEM_NAMES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "icon\r", "@eadir"})
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ")


@dataclass
class _Listing:
    entries: list[Entry] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def class_folders(root: Path) -> Source:
    """List a folder that holds one folder per class.

    Raises:
        DataError: There are no class folders, or fewer than two of them hold pictures.
    """
    listing = _Listing()
    _list_classes(root, "", None, listing)
    return _source("class_folders", root, listing)


def split_folders(root: Path) -> Source:
    """List train/ val/ test/ folders, each of which holds one folder per class; only train/ must exist."""
    listing = _Listing()
    seen: dict[SplitName, str] = {}
    for name in _folders(root):
        split = SPLIT_WORDS.get(name.lower())
        if split is None:
            listing.warnings.append(f"{printable(name)}/ is neither train, val nor test, and is not used")
            continue
        if split in seen:
            raise DataError(f"{root} holds both {seen[split]}/ and {name}/, which mean the same; keep one of them")
        seen[split] = name
        if split != "train" and not _folders(root / name):
            listing.warnings.append(f"{name}/ holds no class folders, and is not used; expected for example {name}/ants/ {name}/bees/")
            continue
        _list_classes(root / name, f"{name}/", split, listing)
    return _source("split_folders", root, listing)


def has_split_folders(root: Path) -> bool:
    """Whether `root` holds a train/ folder of class folders. A class may be called train: then pictures lie in it directly."""
    trains = [name for name in _folders(root) if SPLIT_WORDS.get(name.lower()) == "train"]
    if not trains:
        return False
    inside = root / trains[0]
    return bool(_folders(inside)) and not any(_is_picture(item.path) for item in os.scandir(inside) if _is_file(item))


def _source(kind: str, root: Path, listing: _Listing) -> Source:
    classes = sorted_classes(entry.label for entry in listing.entries)
    if len(classes) < 2:
        raise DataError(_too_few_classes(root, classes, listing))
    return Source(
        kind="split_folders" if kind == "split_folders" else "class_folders",
        location=str(root),
        classes=classes,
        entries=sorted_entries(listing.entries),
        reader=FileReader(root),
        left_out=tuple(sorted(listing.left_out)),
        warnings=tuple(listing.warnings),
    )


def _too_few_classes(root: Path, classes: tuple[str, ...], listing: _Listing) -> str:
    loose = [path for path, reason in listing.left_out if reason == _LOOSE]
    if loose and not classes:
        pictures = counted(len(loose), "picture")
        return f"{root} holds {pictures} ({some(loose)}) but no class folders, so their classes are unknown; {LAYOUTS}"
    inner = [name for name in _folders(root) if len(_folders(root / name)) >= 2]
    hint = f"; did you mean {root / inner[0]}?" if len(inner) == 1 else ""
    if classes:
        return f"{root} holds pictures of one class only ({printable(classes[0])}); a classifier needs at least two class folders{hint}"
    return f"{root} holds no pictures in class folders{hint}; {LAYOUTS}"


_LOOSE = "lies beside the class folders, so its class is unknown"


def _list_classes(root: Path, prefix: str, split: SplitName | None, listing: _Listing) -> None:
    for item in _scan(root):
        if _is_folder(item):
            before = len(listing.entries)
            left_out_before = len(listing.left_out)
            for file in _walk(Path(item.path), f"{prefix}{item.name}/"):
                _add(file, item.name, split, listing)
            if len(listing.entries) == before:
                others = len(listing.left_out) - left_out_before
                but = f", only {counted(others, 'other file')}" if others else ""
                listing.warnings.append(f"class folder {printable(prefix + item.name)}/ holds no pictures{but}")
        elif _is_file(item) and _is_picture(item.path):
            listing.left_out.append((prefix + item.name, _LOOSE))


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    name: str
    problem: str | None = None


def _add(file: _File, label: str, split: SplitName | None, listing: _Listing) -> None:
    if file.problem:
        listing.left_out.append((file.name, file.problem))
    elif _is_picture(file.path):
        listing.entries.append(Entry(file.name, label, split))
    else:
        suffix = _suffix(file.path)
        listing.left_out.append((file.name, f"not a picture ({suffix} file)" if suffix else "not a picture"))


def _walk(folder: Path, prefix: str) -> Iterator[_File]:
    """Every file below `folder`, each real folder once, so that links that form a loop end."""
    visited: set[tuple[int, int]] = set()
    pending = [(folder, prefix)]
    while pending:
        here, name = pending.pop()
        try:
            status = here.stat()
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            items = _scan(here)
        except OSError as error:
            yield _File(str(here), name, f"the folder cannot be opened: {error.strerror}")
            continue
        for item in items:
            if _is_folder(item):
                pending.append((Path(item.path), f"{name}{item.name}/"))
            else:
                yield _File(item.path, name + item.name, _file_problem(item))


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds without hidden and system files, sorted, real things before links to them."""
    with os.scandir(folder) as items:
        kept = [item for item in items if not item.name.startswith(".") and item.name.lower() not in _SYSTEM_NAMES]
    return sorted(kept, key=lambda item: (item.is_symlink(), natural_key(item.name)))


def _folders(folder: Path) -> list[str]:
    try:
        return [item.name for item in _scan(folder) if _is_folder(item)]
    except OSError as error:
        raise DataError(f"{folder} cannot be opened: {error.strerror}") from error


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:
        return False


def _is_file(item: os.DirEntry[str]) -> bool:
    return _file_problem(item) is None


def _file_problem(item: os.DirEntry[str]) -> str | None:
    # A named pipe is never opened: reading it would wait for ever.
    try:
        return None if stat.S_ISREG(item.stat().st_mode) else "not a regular file"
    except FileNotFoundError:
        return "a link to a file that does not exist"
    except OSError as error:
        return f"cannot be opened: {error.strerror}"


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _is_picture(path: str) -> bool:
    return _suffix(path) in SUFFIXES or _starts_like_a_picture(path)


def _starts_like_a_picture(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            start = file.read(16)
    except OSError:
        return False
    if start.startswith(_MAGIC):
        return True
    if start[:4] == b"RIFF":
        return start[8:12] == b"WEBP"
    # "BM" alone also begins many a text; a bitmap's reserved bytes are zero.
    return (start[:2] == b"BM" and start[6:10] == b"\0\0\0\0") or start[4:12] == b"ftypavif"
