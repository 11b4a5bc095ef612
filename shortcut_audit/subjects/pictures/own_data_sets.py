"""Data sets of the user's own: there too each picture counts once.

Pictures are told apart by their pixels, as there may be no files.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from shortcut_audit.errors import DataError
from shortcut_audit.records import Pictures
from shortcut_audit.subjects.pictures.counted_once import (
    COPY,
    TRAINED_ON,
    TWO_CLASSES,
    left_out,
    sentences,
)
from shortcut_audit.subjects.pictures.record import one_colour, pictures

SURE = 256  # pixels: pictures that are alike when they are smaller are looked at again at this size


def digests(pixels: Tensor) -> Iterator[str]:
    """A digest of each of the pictures (n, 3, h, w)."""
    for each in pixels:
        yield hashlib.sha256(each.contiguous().numpy().data).hexdigest()


def each_once(dataset: Any, split: str, size: int) -> Pictures:
    """A split in which each picture counts once, whoever wrote the data set."""
    loaded: Pictures = dataset.load(split, size)
    if getattr(dataset, "counts_once", False):
        return loaded
    unknown: list[str] = []

    def trained() -> frozenset[str]:
        try:
            return frozenset(digests(dataset.load("train", size).pixels))
        except Exception as error:  # whatever a user's own data set raises without this split
            said = f"whether validation pictures are in the training set is not known: {error}"
            unknown.append(said)
            return frozenset()

    once = counted_once(dataset, loaded, split, size, trained)
    return replace(once, notes=(*once.notes, *unknown))


def counted_once(
    dataset: Any, loaded: Pictures, split: str, size: int, trained: Callable[[], Collection[str]]
) -> Pictures:
    """The pictures of a split that count, and in `broken` why others do not.

    A validation picture is left out where the training split, at the same size, has the very same.

    Law: which copies are left out does not depend on the size, up to 256 pixels: what looks alike
    when it is small must look alike there too.

    Args:
        dataset: the user's own.
        loaded: what it loaded.
        split: "train", "validation" or "background".
        size: of `loaded`, pixels.
        trained: digests of the training pictures at this size; asked for only where they are
            needed.

    Raises:
        DataError: nothing is left.
    """
    seen = dict(zip(loaded.ids, digests(loaded.pixels), strict=True))
    dropped = left_out(loaded.ids, loaded.labels.tolist(), list(seen.values()))
    if dropped and size < SURE:
        fine: Pictures = dataset.load(split, SURE)
        alike = left_out(fine.ids, fine.labels.tolist(), list(digests(fine.pixels)))
        dropped = {identity: why for identity, why in alike.items() if identity in seen}
    if split == "validation" and seen:
        known = trained()
        for identity, digest in seen.items():
            if digest in known:
                dropped[identity] = TRAINED_ON
    return _without(loaded, split, dropped)


def _without(loaded: Pictures, split: str, dropped: dict[str, str]) -> Pictures:
    """The pictures without those that are dropped; raises DataError where none is left.

    Args:
        loaded: the split as the data set loaded it.
        split: its name.
        dropped: id -> why it is left out.
    """
    said = sentences(split, dropped)
    kept = np.array([identity not in dropped for identity in loaded.ids], dtype=bool)  # (n,)
    if dropped and not kept.any():
        raise DataError(
            f"none of the {len(kept)} pictures of the data set is left: {'; '.join(said)}"
        )
    plain = one_colour(split, loaded.pixels[kept], loaded.labels[kept], loaded.classes)
    broken = (*loaded.broken, *said, *plain)
    if not dropped:
        return replace(loaded, broken=broken)
    ids = [identity for identity in loaded.ids if identity not in dropped]
    objects = None if loaded.objects is None else loaded.objects[kept]
    times = Counter(dropped.values())
    counts = [f"{times[reason]} {reason}" for reason in (COPY, TWO_CLASSES, TRAINED_ON)]
    note = f"{split}: {len(ids)} kept of {len(kept)} pictures; dropped: {', '.join(counts)}"
    return pictures(
        loaded.pixels[kept],
        loaded.labels[kept].tolist(),
        ids,
        loaded.classes,
        objects,
        broken,
        (*loaded.notes, note),
    )
