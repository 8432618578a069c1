"""Seeds of a trial's random parts: each follows from the trial's seed and its purpose, never from what ran before."""

import hashlib


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A seed below 2**31 for one purpose, for example `derive_seed(7, "dropout", 0)`.

    Seeds for different purposes are unrelated, so adding one random part changes no other.
    """
    digest = hashlib.blake2b(repr((seed, *purpose)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 2**31
