"""Files -> pixels: photographs as people have them, decoded in threads.

A broken file is left out and named; the others count.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from shortcut_audit.errors import DataError, UsageError
from shortcut_audit.files.whole import as_bytes, printable
from shortcut_audit.records import Pictures
from shortcut_audit.subjects.decoding.photograph import OBJECT, Photograph
from shortcut_audit.subjects.decoding.sheet import Sheet
from shortcut_audit.subjects.pictures.counted_once import (
    Content,
    Stored,
    left_out,
    sentences,
    trained_on,
)
from shortcut_audit.subjects.pictures.record import digested, one_colour, pictures

if TYPE_CHECKING:
    from torch import Tensor

BROKEN = "broken"  # a reason, as it stands after "dropped: 3"


@dataclass(frozen=True)
class Loaded:
    """A split, and what is not in it."""

    pictures: Pictures
    dropped: dict[str, str]  # identity -> why it is left out: BROKEN or a reason of `counted_once`


def load(
    split: str,
    photographs: Sequence[Photograph],
    size: int,
    classes: tuple[str, ...],
    workers: int,
    said: Iterable[str] = (),
    training: Iterable[Path | Stored] = (),
) -> Loaded:
    """Decodes the photographs at this size, in their order.

    What cannot be read is left out, and of files of the same bytes all but one, those that stand
    under two classes, and those that are among the files in `training`.

    Laws: a picture's bytes are read once; which ones are left out depends on neither order nor
    size.

    Args:
        split: its name, for sentences.
        photographs: n, each with an identity of its own.
        size: pixels, or an `InputSize`.
        classes: k names.
        workers: threads that decode, 0: as many as cores.
        said: the first sentences of `Pictures.broken`; one for each that is left out follows.
        training: files of the training set, or what gives their bytes.

    Raises:
        UsageError: `workers` is below 0.
        DataError: there are photographs, and not one of them is left.
    """
    if workers < 0:
        raise UsageError(
            f"pictures cannot be decoded by {workers} workers: "
            "ask for 1 or more, or for 0, as many as cores"
        )
    found = Sheet(photographs, size, workers)
    dropped = _dropped(photographs, found.contents, training)
    reasons = sentences(split, dropped)
    kept = [i for i, each in enumerate(photographs) if each.identity not in dropped]
    if photographs and not kept:
        raise DataError(_none_left(photographs, found, reasons))
    masks = _only(kept, found.masks)
    labels = [photographs[i].label for i in kept]
    ids = [photographs[i].identity for i in kept]
    several = any(each.shown for each in photographs)
    flat = found.one_colour[kept]
    plain = one_colour(split, flat, np.asarray(labels, np.int64), classes, several)
    unread = [sentence for _, sentence in sorted(found.broken.items())]
    broken = (*said, *unread, *reasons, *plain)
    pixels = found.rows(kept)
    made = pictures(pixels, labels, ids, classes, masks.pop(OBJECT, None), broken=broken)
    return Loaded(digested(replace(made, regions=masks)) if masks else made, dropped)


def _dropped(
    photographs: Sequence[Photograph],
    contents: Mapping[int, Content],
    training: Iterable[Path | Stored],
) -> dict[str, str]:
    """Identity -> why it is left out; `contents` are of those that are not broken."""
    dropped: dict[str, str] = {}
    for i, each in enumerate(photographs):
        if i not in contents:
            dropped[each.identity] = BROKEN
    whole = {photographs[i].identity: content for i, content in contents.items()}
    labels = [photographs[i].shown or photographs[i].label for i in contents]
    dropped |= left_out(list(whole), labels, [content.digest for content in whole.values()])
    if whole:
        dropped |= trained_on(whole, training)
    return dropped


def _none_left(photographs: Sequence[Photograph], found: Sheet, reasons: Sequence[str]) -> str:
    """The sentence for a split of which no photograph is left."""
    where = printable(os.path.commonpath([each.file.absolute().parent for each in photographs]))
    if not found.contents:
        what, why = "can be read; the first", found.broken[min(found.broken)]
    else:
        what, why = "is left", "; ".join(reasons)
    return f"none of the {len(photographs)} pictures in '{where}' {what}: {why}"


def _only(kept: Sequence[int], masks: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """The masks (m, h, w) by name of the m photographs that are kept.

    They are moved to the front of the arrays: a copy may not fit, as there may be many.
    """
    import torch

    for array in masks.values():
        for to, at in enumerate(kept):
            if to != at:
                array[to] = array[at]
    return {name: torch.from_numpy(mask[: len(kept)]) for name, mask in masks.items()}


def chosen(photographs: Sequence[Photograph], most: int | None) -> list[Photograph]:
    """At most so many of them (None: all), in their order.

    Laws: which ones depends on the identities alone, not on the order; a smaller choice is part of
    a larger one.
    """
    if most is None or most >= len(photographs):
        return list(photographs)
    identities = [each.identity for each in photographs]
    drawn = set(sorted(identities, key=by_identity)[:most])
    return [each for each in photographs if each.identity in drawn]


def showing(photographs: Sequence[Photograph], label: int | None) -> list[Photograph]:
    """Those that show a class; None: all."""
    found = []
    for each in photographs:
        on = each.shown[label] if each.shown and label is not None else each.label == label
        if label is None or on:
            found.append(each)
    return found


def check_counts(**asked: int | None) -> None:
    """Raises UsageError for a number of pictures below 0."""
    for split, count in asked.items():
        if count is not None and count < 0:
            raise UsageError(f"there cannot be {count} {split} pictures: ask for 0 or more")


def drops(photographs: Iterable[Photograph], loaded: Loaded) -> Counter[str]:
    """Reason -> how many of these photographs were left out for it when they were loaded."""
    found: Counter[str] = Counter()
    for each in photographs:
        if each.identity in loaded.dropped:
            found[loaded.dropped[each.identity]] += 1
    return found


def note_of(what: str, kept: int, counts: Mapping[str, int]) -> str:
    """`validation: cat 90 kept of 184 photos; dropped: 12 with another class, 71 too small`.

    `counts["photos"]` is how many there were; every other count is of a reason to drop some.
    """
    dropped = []
    for reason, count in counts.items():
        if count and reason != "photos":
            dropped.append(f"{count} {reason}")
    said = f"{what} {kept} kept of {counts['photos']} photos"
    return f"{said}; dropped: {', '.join(dropped)}" if dropped else said


def by_identity(identity: str) -> bytes:
    """A key that sorts identities in a random order which is always the same."""
    return hashlib.sha256(as_bytes(identity)).digest()
