"""What every data set shares: its record with the digest, and randomness from an identity."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from torch import Tensor

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.records import Pictures

SPLITS = ("train", "validation", "background")


def pictures(
    pixels: Tensor,
    labels: Iterable[int],
    ids: Iterable[str],
    classes: Iterable[str],
    objects: Tensor | None = None,
    broken: Iterable[str] = (),
    notes: Iterable[str] = (),
) -> Pictures:
    """The record of a split: pixels (n, 3, h, w) uint8, n labels and ids, k classes, objects (n, h, w) bool.

    Law: the digest changes with any pixel, label, id, class, or their order, and with nothing else.
    """
    fixed = np.asarray(list(labels), dtype=np.int64)  # (n,)
    ids, classes = tuple(ids), tuple(classes)
    digest = hashlib.sha256(repr((tuple(pixels.shape), ids, classes)).encode())
    digest.update(fixed.astype("<i8").tobytes())
    digest.update(pixels.contiguous().numpy().data)
    return Pictures(pixels, fixed, ids, classes, digest.hexdigest(), objects, tuple(broken), tuple(notes))


def check_split(split: str, size: int) -> None:
    """Raises UsageError unless `split` is one of SPLITS and `size` (pixels) is positive."""
    if split not in SPLITS:
        raise UsageError(f"no split called '{split}'{did_you_mean(split, SPLITS)}")
    if size < 1:
        raise UsageError(f"pictures cannot be {size} pixels wide: ask for a size of at least 1")


def generator(seed: int, identity: str) -> np.random.Generator:
    """Random numbers of one picture: the same in any batch, order, process or run."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{seed}/{identity}".encode()).digest()[:16], "big"))
