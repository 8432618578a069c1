"""Where automl keeps what it can make again: decoded pictures, downloaded built-in sets, features of frozen backbones."""

import os
import sys
from pathlib import Path


def cache_dir() -> Path:
    """The folder for files that can be made again; it is created when something is written, not here.

    `AUTOML_CACHE_DIR`, else `XDG_CACHE_HOME/automl`, else the platform's usual place (`~/.cache/automl`, on macOS
    `~/Library/Caches/automl`).
    """
    own = os.environ.get("AUTOML_CACHE_DIR")
    if own:
        return Path(own).expanduser().absolute()
    shared = os.environ.get("XDG_CACHE_HOME")
    if shared and Path(shared).is_absolute():
        return Path(shared) / "automl"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "automl"
    return Path.home() / ".cache" / "automl"
