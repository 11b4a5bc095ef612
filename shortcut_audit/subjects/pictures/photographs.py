"""Files -> pixels: photographs as people have them, decoded in threads.

A broken file is left out and named; the others count.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from shortcut_audit.errors import DataError, UsageError, machine_fault
from shortcut_audit.files.whole import as_bytes, printable
from shortcut_audit.records import Pictures
from shortcut_audit.subjects.pictures.counted_once import (
    Content,
    content_of,
    left_out,
    sentences,
    trained_on,
)
from shortcut_audit.subjects.pictures.framing import ORIENTATION, as_rgb, framed, framed_mask
from shortcut_audit.subjects.pictures.record import one_colour, pictures

if TYPE_CHECKING:
    from torch import Tensor

BROKEN = "broken"  # a reason, as it stands after "dropped: 3"

# a picture (size, size, 3) uint8, its object (size, size) bool, its file
Frames = tuple[np.ndarray, np.ndarray | None, Content]


@dataclass(frozen=True)
class Photograph:
    """A file that is to be decoded."""

    file: Path
    identity: str
    label: int = -1
    # makes the object's mask, (height, width) bool of the file as it is stored
    outline: Callable[[], np.ndarray] | None = None


@dataclass(frozen=True)
class Loaded:
    """A split, and what is not in it."""

    pictures: Pictures
    dropped: dict[str, str]  # identity -> why it is left out: BROKEN or a reason of `counted_once`


@dataclass(frozen=True)
class _Decoded:
    """What the files of n photographs gave, in their order."""

    pixels: np.ndarray  # (n, 3, size, size) uint8; anything where a file is broken
    objects: np.ndarray | None  # (n, size, size) bool; None where no photograph has an outline
    contents: dict[int, Content]  # of each file that is not broken, by its place
    broken: list[str]  # a sentence for each file that is


def load(
    split: str,
    photographs: Sequence[Photograph],
    size: int,
    classes: tuple[str, ...],
    workers: int,
    said: Iterable[str] = (),
    training: Iterable[Path] = (),
) -> Loaded:
    """Decodes the photographs at size x size pixels, in their order.

    What cannot be read is left out, and of files of the same bytes all but one, those that stand
    under two classes, and those that are among the files in `training`.

    Laws: a picture's bytes are read once; which ones are left out depends on neither order nor
    size.

    Args:
        split: its name, for sentences.
        photographs: n, each with an identity of its own.
        size: pixels.
        classes: k names.
        workers: threads that decode, 0: as many as cores.
        said: the first sentences of `Pictures.broken`; one for each that is left out follows.
        training: files of the training set.

    Raises:
        UsageError: `workers` is below 0.
        DataError: there are photographs, and not one of them is left.
    """
    if workers < 0:
        raise UsageError(
            f"pictures cannot be decoded by {workers} workers: "
            "ask for 1 or more, or for 0, as many as cores"
        )
    found = _decoded(photographs, size, workers)
    dropped = _dropped(photographs, found.contents, training)
    reasons = sentences(split, dropped)
    kept = [i for i, each in enumerate(photographs) if each.identity not in dropped]
    if photographs and not kept:
        raise DataError(_none_left(photographs, found, reasons))
    pixels, objects = _only(kept, found)
    labels = [photographs[i].label for i in kept]
    ids = [photographs[i].identity for i in kept]
    plain = one_colour(split, pixels, np.asarray(labels, np.int64), classes)
    broken = (*said, *found.broken, *reasons, *plain)
    return Loaded(pictures(pixels, labels, ids, classes, objects, broken=broken), dropped)


def _decoded(photographs: Sequence[Photograph], size: int, workers: int) -> _Decoded:
    """Every photograph at size x size pixels, or the sentence that says why it cannot be read."""
    n = len(photographs)
    pixels = np.empty((n, 3, size, size), dtype=np.uint8)
    outlined = any(each.outline for each in photographs)
    objects = np.zeros((n, size, size), dtype=bool) if outlined else None
    found = _Decoded(pixels, objects, {}, [])
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, which does not matter here
        for i, frames in enumerate(pool.map(partial(decode, size=size), photographs)):
            if isinstance(frames, str):
                found.broken.append(frames)
                continue
            picture, mask, content = frames
            found.contents[i] = content
            pixels[i] = picture.transpose(2, 0, 1)
            if objects is not None and mask is not None:
                objects[i] = mask
    return found


def _dropped(
    photographs: Sequence[Photograph], contents: Mapping[int, Content], training: Iterable[Path]
) -> dict[str, str]:
    """Identity -> why it is left out; `contents` are of those that are not broken."""
    dropped: dict[str, str] = {}
    for i, each in enumerate(photographs):
        if i not in contents:
            dropped[each.identity] = BROKEN
    whole = {photographs[i].identity: content for i, content in contents.items()}
    labels = [photographs[i].label for i in contents]
    dropped |= left_out(list(whole), labels, [content.digest for content in whole.values()])
    if whole:
        dropped |= trained_on(whole, training)
    return dropped


def _none_left(photographs: Sequence[Photograph], found: _Decoded, reasons: Sequence[str]) -> str:
    """The sentence for a split of which no photograph is left."""
    where = printable(os.path.commonpath([each.file.parent for each in photographs]))
    if not found.contents:
        what, why = "can be read; the first", found.broken[0]
    else:
        what, why = "is left", "; ".join(reasons)
    return f"none of the {len(photographs)} pictures in '{where}' {what}: {why}"


def _only(kept: Sequence[int], found: _Decoded) -> tuple[Tensor, Tensor | None]:
    """Pixels (m, 3, size, size) and objects (m, size, size) of the m photographs that are kept.

    They are moved to the front of the arrays: a copy may not fit, as there may be many.
    """
    import torch

    pixels, objects = found.pixels, found.objects
    for to, at in enumerate(kept):
        if to != at:
            pixels[to] = pixels[at]
            if objects is not None:
                objects[to] = objects[at]
    shown = torch.from_numpy(pixels[: len(kept)])
    return shown, None if objects is None else torch.from_numpy(objects[: len(kept)])


def decode(photograph: Photograph, size: int) -> Frames | str:
    """The picture and its object through one scale and crop, or why the file cannot be read.

    A picture is turned upright, made RGB, scaled so that its shorter side is `size`, and cropped at
    its centre. Of several in one file it is the first.

    Raises:
        MachineError: the machine has no memory left, or its disk failed: that is no fault of the
            file.
    """
    try:
        data = photograph.file.read_bytes()
        outline = photograph.outline() if photograph.outline else None
        with Image.open(BytesIO(data)) as opened:
            if outline is not None and outline.shape != opened.size[::-1]:
                return _of_another_size(photograph.file, opened.size, outline)
            turned = opened.getexif().get(ORIENTATION, 1)
            # a JPEG is decoded at a fraction of its size, if that is ample
            opened.draft(None, (2 * size, 2 * size))
            upright = as_rgb(ImageOps.exif_transpose(opened))
        shorter = min(upright.size)
        # rounded as torchvision does
        scaled = int(size * upright.width / shorter), int(size * upright.height / shorter)
        picture = np.asarray(framed(upright, scaled, size))
        mask = None if outline is None else framed_mask(outline, turned, scaled, size)
        return picture, mask, content_of(data)
    except Exception as error:  # a decoder raises whatever it comes across in a broken file
        return _unreadable(photograph.file, error)


def _of_another_size(file: Path, size: tuple[int, int], outline: np.ndarray) -> str:
    """The sentence for a file of another size, (width, height), than its annotation says."""
    height, width = outline.shape
    return (
        f"'{printable(file)}' is {size[0]} x {size[1]} pixels, "
        f"but its annotation is of a picture of {width} x {height}"
    )


def _unreadable(file: Path, error: Exception) -> str:
    """The sentence for a file that cannot be read; raises MachineError where the machine failed."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None):
        fault = machine_fault(error)
        if fault:
            raise fault from error
    said = printable(error)
    if isinstance(error, UnidentifiedImageError):
        said = "it is no picture of a known format"
    return f"'{printable(file)}' cannot be read: {' '.join(said.split())}"


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
