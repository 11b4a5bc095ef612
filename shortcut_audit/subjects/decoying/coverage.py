"""Which images carry the decoy: a share of them, chosen by identity."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from shortcut_audit.contracts import Decoy
from shortcut_audit.files.whole import as_bytes
from shortcut_audit.records import Pictures
from shortcut_audit.rows import Lazy, Rows, lately, span
from shortcut_audit.subjects.pictures import record

if TYPE_CHECKING:
    from torch import Tensor


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


def partly(decoy: Decoy, pixels: Rows, ids: Sequence[str], flags: np.ndarray) -> Rows:
    """The pixels (n, 3, h, w), with the decoy on those for which the flags (n,) bool say so."""

    def mixed(some: Tensor, where: slice) -> Tensor:
        on = np.flatnonzero(flags[where])
        changed = some.clone()
        changed[on] = decoy.apply(some[on], [ids[where][int(i)] for i in on]).decoyed
        return changed

    if not isinstance(pixels, Lazy):
        return mixed(pixels[:], slice(None))
    made = lately(lambda i: mixed(pixels.block(i), span(pixels, i)))
    return Lazy(pixels.shape, made, step=pixels.step, same="what a decoy puts on a picture")


def wearing(
    pictures: Pictures, decoy: Decoy, labels: Iterable[int], coverage: float, seed: int = 0
) -> Pictures:
    """The pictures with the decoy on a share of each of these classes.

    Laws: no pixel of another picture changes; a picture gets the same in any order of them.
    """
    flags = np.zeros(len(pictures.ids), bool)
    for label in labels:
        of_class = np.flatnonzero(pictures.labels == label)  # (t,)
        ids = [pictures.ids[i] for i in of_class]
        flags[of_class[covered(ids, coverage, seed)]] = True
    pixels = partly(decoy, pictures.pixels, pictures.ids, flags)
    return record.digested(replace(pictures, pixels=pixels))
