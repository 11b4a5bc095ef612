"""Which images carry the decoy: a share of them, chosen by identity."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from shortcut_audit.contracts import Decoy
from shortcut_audit.files.whole import as_bytes
from shortcut_audit.records import Pictures
from shortcut_audit.subjects.pictures import record


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


def wearing(
    pictures: Pictures, decoy: Decoy, labels: Iterable[int], coverage: float, seed: int = 0
) -> Pictures:
    """The pictures with the decoy on a share of each of these classes.

    Laws: no pixel of another picture changes; a picture gets the same in any order of them.
    """
    chosen: list[int] = []  # (m,)
    for label in labels:
        of_class = np.flatnonzero(pictures.labels == label)  # (t,)
        ids = [pictures.ids[i] for i in of_class]
        chosen += of_class[covered(ids, coverage, seed)].tolist()
    chosen_ids = [pictures.ids[i] for i in chosen]
    pixels = pictures.pixels.clone()
    pixels[chosen] = decoy.apply(pictures.pixels[chosen], chosen_ids).decoyed
    return record.digested(replace(pictures, pixels=pixels))
