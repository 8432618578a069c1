"""The kinds of data: one module each, all turned into a `Source`. `open_source` tells them apart."""

import difflib
from pathlib import Path

from automl.data.sources.arrays import arrays
from automl.data.sources.base import LAYOUTS, Entry, Reader, Source
from automl.data.sources.builtin import builtin
from automl.data.sources.folders import SUFFIXES, class_folders, has_split_folders, split_folders
from automl.data.sources.manifest import manifest
from automl.errors import DataError
from automl.space.settings import BUILTINS

__all__ = ["Entry", "Reader", "Source", "open_source"]

_ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"})


def open_source(path: str) -> Source:
    """List the data at `path`, which may be a built-in's name. Nothing is decoded yet.

    A built-in's name wins over a folder of that name; write ./digits for the folder.

    Raises:
        DataError: There is no such data, or it has none of the accepted layouts.
    """
    if path in BUILTINS:
        return builtin(path)
    if not path:
        raise DataError(f"expected the path of the data, but got an empty text; {LAYOUTS}")
    location = Path(path).expanduser().absolute()
    try:
        if not location.exists():
            raise DataError(_absent(path, location))
        location = location.resolve()
        return _open_folder(location) if location.is_dir() else _open_file(location)
    except OSError as error:
        raise DataError(f"{error.filename or location} cannot be opened: {error.strerror or error}") from error
    except RuntimeError as error:
        raise DataError(f"{location} is a link that leads back to itself") from error


def _open_folder(folder: Path) -> Source:
    if (folder / "manifest.csv").is_file():
        return manifest(folder / "manifest.csv")
    if (folder / "arrays.npz").is_file():
        return arrays(folder / "arrays.npz")
    return split_folders(folder) if has_split_folders(folder) else class_folders(folder)


def _open_file(file: Path) -> Source:
    suffix = file.suffix.lower()
    if suffix == ".csv":
        return manifest(file)
    if suffix == ".npz":
        return arrays(file)
    if suffix in _ARCHIVES:
        raise DataError(f"{file} is an archive; unpack it and give the folder")
    if suffix in SUFFIXES:
        raise DataError(f"{file} is a single picture; {LAYOUTS}")
    raise DataError(f"{file} is a file of an unknown kind; {LAYOUTS}")


def _absent(path: str, location: Path) -> str:
    parent = location.parent
    while not parent.is_dir():
        parent = parent.parent
    missing = location.relative_to(parent).parts[0]
    present = [item.name for item in parent.iterdir() if not item.name.startswith(".")]
    near = [str(parent / name) for name in difflib.get_close_matches(missing, present, 3)]
    near += [f"the built-in {name}" for name in difflib.get_close_matches(path, BUILTINS, 2)]
    hint = f"did you mean {' or '.join(near)}?" if near else f"{parent} holds nothing with a similar name"
    return f"{location} does not exist (built-in sets are {', '.join(BUILTINS)}); {hint}"
