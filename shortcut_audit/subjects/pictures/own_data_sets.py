"""Data sets of the user's own: there too each picture counts once.

Pictures are told apart by their pixels, as there may be no files.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from shortcut_audit.errors import DataError
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.records import Pictures
from shortcut_audit.rows import Rows, each_row, mapped, row_digest
from shortcut_audit.subjects.pictures.counted_once import (
    COPY,
    TRAINED_ON,
    TWO_CLASSES,
    left_out,
    sentences,
)
from shortcut_audit.subjects.pictures.record import answers, digested, is_flat, of, one_colour

SURE = 256  # pixels: pictures that are alike when they are smaller are looked at again at this size


def digests(pixels: Rows) -> Iterator[str]:
    """A digest of each of the pictures (n, 3, h, w)."""
    for each in each_row(pixels):
        yield row_digest(each).hex()


def of_class(dataset: Any, label: int, size: int) -> Pictures | None:
    """The training pictures of a class, of a data set that can load them without any other.

    None where it cannot, or where nobody knows whether each of its pictures counts once.
    """
    able = getattr(dataset, "counts_once", False) and (
        "label" in inspect.signature(dataset.load).parameters
    )
    if not able:
        return None
    asked = InputSize.of(size)
    if not asked.plain and not getattr(dataset, "frames", False):
        return None
    own: Pictures = dataset.load("train", int(size) if asked.plain else size, label=label)
    return own


def each_once(dataset: Any, split: str, size: int) -> Pictures:
    """A split in which each picture counts once, whoever wrote the data set."""
    loaded = framed_at(dataset, split, size)
    if getattr(dataset, "counts_once", False):
        return loaded
    unknown: list[str] = []

    def trained() -> frozenset[str]:
        try:
            return frozenset(digests(framed_at(dataset, "train", size).pixels))
        except Exception as error:  # whatever a user's own data set raises without this split
            said = f"whether validation pictures are in the training set is not known: {error}"
            unknown.append(said)
            return frozenset()

    once = counted_once(dataset, loaded, split, size, trained)
    return replace(once, notes=(*once.notes, *unknown))


def framed_at(dataset: Any, split: str, size: int) -> Pictures:
    """A split at this size, whether or not the data set knows more of sizes than an int.

    Law: where it does not, the pictures are its squares at `InputSize.resize` pixels, of which the
    size asks for the middle.

    Raises:
        DataError: its squares are of another size.
    """
    asked = InputSize.of(size)
    if asked.plain or getattr(dataset, "frames", False):
        own: Pictures = dataset.load(split, int(size) if asked.plain else size)
        return own
    side = asked.resize
    square: Pictures = dataset.load(split, side)
    if square.pixels.shape[2:] != (side, side):
        found = " x ".join(map(str, square.pixels.shape[2:]))
        raise DataError(
            f"the data set gives pictures of {found} pixels where squares of {side} were asked "
            f"for, and the model takes {asked}: let 'load' honour the size, or all of its "
            "InputSize and say 'frames = True' in its class"
        )
    said = f"{split}: the data set scales its pictures itself, and the model is asked at {asked}"
    objects = None if square.objects is None else _middle(square.objects, asked)
    regions = {name: _middle(region, asked)[:] for name, region in square.regions.items()}
    middle = replace(square, pixels=_middle(square.pixels, asked), objects=objects, regions=regions)
    return digested(replace(middle, notes=(*square.notes, said)))


def _middle(images: Rows, size: InputSize) -> Rows:
    """(n, ..., h, w): the middle of squares (n, ..., s, s)."""
    top, left = ((images.shape[-1] - side) // 2 for side in (size.height, size.width))

    def cropped(some: Tensor) -> Tensor:
        return some[..., top : top + size.height, left : left + size.width].contiguous()

    return mapped(images, cropped, (*images.shape[:-2], size.height, size.width))


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
    dropped = left_out(loaded.ids, answers(loaded), list(seen.values()))
    if dropped and size < SURE:
        fine = framed_at(dataset, split, SURE)
        alike = left_out(fine.ids, answers(fine), list(digests(fine.pixels)))
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
    several = loaded.shown is not None
    flat = is_flat(loaded.pixels)
    plain = one_colour(split, flat[kept], loaded.labels[kept], loaded.classes, several)
    broken = (*loaded.broken, *said, *plain)
    if not dropped:
        return replace(loaded, broken=broken)
    times = Counter(dropped.values())
    counts = [f"{times[reason]} {reason}" for reason in (COPY, TWO_CLASSES, TRAINED_ON)]
    note = f"{split}: {kept.sum()} kept of {len(kept)} pictures; dropped: {', '.join(counts)}"
    return replace(of(loaded, kept), broken=broken, notes=(*loaded.notes, note))
