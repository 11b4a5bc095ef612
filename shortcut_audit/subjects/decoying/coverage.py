"""Which images carry the decoy: a share of them, chosen by identity."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from shortcut_audit.files.whole import as_bytes


def covered(ids: Sequence[str], coverage: float, seed: int = 0) -> np.ndarray:
    """True for exactly round(coverage * n) of the images.

    Images are ordered by a hash of (seed, id). Laws: the choice depends neither on their order nor
    on the batch; the images of a smaller coverage are among those of a larger one.

    Args:
        ids: n identities.
        coverage: share in [0, 1].
        seed: another seed chooses other images.

    Returns:
        (n,) bool.
    """
    hashes = [hashlib.sha256(as_bytes(f"{seed}/{identity}")).digest() for identity in ids]
    order = sorted(range(len(ids)), key=lambda i: hashes[i])
    flags = np.zeros(len(ids), dtype=bool)
    flags[order[: round(coverage * len(ids))]] = True
    return flags
