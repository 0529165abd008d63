"""Seeds that depend on what is drawn, not on what was drawn before."""

from __future__ import annotations

import hashlib


def derive_seed(*parts: int | str) -> int:
    """Hash a run's seed and the place of a sample in it into a 63-bit seed.

    Equal parts give equal seeds on every machine, in every process, in any order of drawing, so
    a run can be resumed from its counters alone.
    """
    text = "\x1f".join(str(p) for p in parts).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1
