"""What the cache holds, in words, and how to be rid of it; all of it can be made again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from automl.data import features, store
from automl.data.disk import Kept, list_kept

Kind = Literal["pictures", "features"]

_KINDS: dict[Kind, tuple[Callable[[], Path], Callable[[Path], str]]] = {
    "pictures": (store.stores_dir, store.describe_stores),
    "features": (features.features_dir, features.describe_set),
}


@dataclass(frozen=True)
class CacheEntry:
    """One folder of the cache.

    Attributes:
        kind: Decoded pictures, or features of a frozen backbone.
        what: In words.
        kept: Where it is, its size and its last use.
    """

    kind: Kind
    what: str
    kept: Kept


@dataclass(frozen=True)
class Cleared:
    """What `clear_cache` did.

    Attributes:
        removed: Folders that were emptied; `skipped` are being filled or cannot be deleted.
        freed_bytes: What they held.
    """

    removed: int
    skipped: int
    freed_bytes: int


def list_cache(kinds: Sequence[Kind] = ("pictures", "features")) -> list[CacheEntry]:
    """What the cache holds, kind by kind, the longest unused first."""
    found = []
    for kind in kinds:
        parent, describe = _KINDS[kind]
        found += [CacheEntry(kind, describe(kept.folder), kept) for kept in list_kept(parent())]
    return found


def clear_cache(kinds: Sequence[Kind] = ("pictures", "features")) -> Cleared:
    """Delete what the cache holds, but nothing that is being filled. A running search makes again what it misses."""
    freed = [entry.kept.clear() for entry in list_cache(kinds)]
    return Cleared(sum(size > 0 for size in freed), freed.count(0), sum(freed))
