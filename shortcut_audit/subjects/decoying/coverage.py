"""Which images carry the decoy: a share of them, chosen by identity."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from shortcut_audit.files.whole import as_bytes


def covered(ids: Sequence[str], coverage: float, seed: int = 0) -> np.ndarray:
    """True for exactly round(coverage * n) of the images.

    Images are ordered by a hash of (seed, id), so the choice depends neither on their order nor on
    the batch, and a smaller coverage's images are among a larger one's.

    Args:
        ids: n identities.
        coverage: share in [0, 1].
        seed: another seed chooses other images.

    Returns:
        (n,) bool.
    """
    order = sorted(
        range(len(ids)), key=lambda i: hashlib.sha256(as_bytes(f"{seed}/{ids[i]}")).digest()
    )
    flags = np.zeros(len(ids), dtype=bool)
    flags[order[: round(coverage * len(ids))]] = True
    return flags
