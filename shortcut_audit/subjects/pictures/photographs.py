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
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from shortcut_audit.errors import DataError, UsageError, machine_fault
from shortcut_audit.files.whole import as_bytes, printable
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.records import Pictures
from shortcut_audit.subjects.pictures.counted_once import (
    Content,
    Stored,
    content_of,
    left_out,
    sentences,
    trained_on,
)
from shortcut_audit.subjects.pictures.framing import (
    HALF,
    ORIENTATION,
    as_rgb,
    framed,
    framed_mask,
    scaled_to,
)
from shortcut_audit.subjects.pictures.record import digested, one_colour, pictures

if TYPE_CHECKING:
    from torch import Tensor

BROKEN = "broken"  # a reason, as it stands after "dropped: 3"

OBJECT = ""  # what the mask of a picture's object is called; others have names of their own

# a picture (h, w, 3) uint8, its masks (h, w) bool by name, its file
Frames = tuple[np.ndarray, dict[str, np.ndarray], Content]
# height and width of a picture, as it is stored -> a mask of these, bool
Outline = Callable[[tuple[int, int]], np.ndarray]


@dataclass(frozen=True)
class Photograph:
    """A file that is to be decoded."""

    file: Path
    identity: str
    label: int = -1
    outlines: Mapping[str, Outline] = field(default_factory=dict)  # OBJECT or a name -> its mask
    shown: tuple[bool, ...] = ()  # (k,) each of the classes, where there may be several
    # gives the picture's bytes where they are only a part of the file
    stored: Stored | None = None

    def read(self) -> bytes:
        """The picture's bytes, as they are in its file."""
        return self.stored() if self.stored else self.file.read_bytes()


@dataclass(frozen=True)
class Loaded:
    """A split, and what is not in it."""

    pictures: Pictures
    dropped: dict[str, str]  # identity -> why it is left out: BROKEN or a reason of `counted_once`


@dataclass(frozen=True)
class _Decoded:
    """What the files of n photographs gave, in their order."""

    pixels: np.ndarray  # (n, 3, h, w) uint8; anything where a file is broken
    masks: dict[str, np.ndarray]  # (n, h, w) bool by the names of all outlines
    contents: dict[int, Content]  # of each file that is not broken, by its place
    broken: list[str]  # a sentence for each file that is


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
    found = _decoded(photographs, size, workers)
    dropped = _dropped(photographs, found.contents, training)
    reasons = sentences(split, dropped)
    kept = [i for i, each in enumerate(photographs) if each.identity not in dropped]
    if photographs and not kept:
        raise DataError(_none_left(photographs, found, reasons))
    pixels, masks = _only(kept, found)
    labels = [photographs[i].label for i in kept]
    ids = [photographs[i].identity for i in kept]
    several = any(each.shown for each in photographs)
    plain = one_colour(split, pixels, np.asarray(labels, np.int64), classes, several)
    broken = (*said, *found.broken, *reasons, *plain)
    made = pictures(pixels, labels, ids, classes, masks.pop(OBJECT, None), broken=broken)
    return Loaded(digested(replace(made, regions=masks)) if masks else made, dropped)


def _decoded(photographs: Sequence[Photograph], size: int, workers: int) -> _Decoded:
    """Every photograph at this size, or the sentence that says why it cannot be read."""
    asked, n = InputSize.of(size), len(photographs)
    pixels = np.empty((n, 3, asked.height, asked.width), dtype=np.uint8)
    found = _Decoded(pixels, {}, {}, [])
    for name in sorted(set[str]().union(*(each.outlines for each in photographs))):
        found.masks[name] = np.zeros((n, asked.height, asked.width), dtype=bool)
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, which does not matter here
        for i, frames in enumerate(pool.map(partial(decode, size=size), photographs)):
            if isinstance(frames, str):
                found.broken.append(frames)
                continue
            picture, masks, content = frames
            found.contents[i] = content
            pixels[i] = picture.transpose(2, 0, 1)
            for name, mask in masks.items():
                found.masks[name][i] = mask
    return found


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


def _none_left(photographs: Sequence[Photograph], found: _Decoded, reasons: Sequence[str]) -> str:
    """The sentence for a split of which no photograph is left."""
    where = printable(os.path.commonpath([each.file.absolute().parent for each in photographs]))
    if not found.contents:
        what, why = "can be read; the first", found.broken[0]
    else:
        what, why = "is left", "; ".join(reasons)
    return f"none of the {len(photographs)} pictures in '{where}' {what}: {why}"


def _only(kept: Sequence[int], found: _Decoded) -> tuple[Tensor, dict[str, Tensor]]:
    """Pixels (m, 3, h, w) and masks (m, h, w) by name of the m photographs that are kept.

    They are moved to the front of the arrays: a copy may not fit, as there may be many.
    """
    import torch

    for array in (found.pixels, *found.masks.values()):
        for to, at in enumerate(kept):
            if to != at:
                array[to] = array[at]
    masks = {name: torch.from_numpy(mask[: len(kept)]) for name, mask in found.masks.items()}
    return torch.from_numpy(found.pixels[: len(kept)]), masks


def decode(photograph: Photograph, size: int) -> Frames | str:
    """The picture and its masks through one scale and crop, or why the file cannot be read.

    A picture is turned upright, made RGB, scaled so that its shorter side is `size` (or as an
    `InputSize` says), and cropped at its centre. Of several in one file it is the first.

    Raises:
        MachineError: the machine has no memory left, or its disk failed: that is no fault of the
            file.
    """
    try:
        data = photograph.read()
        outlines: dict[str, np.ndarray] = {}
        with Image.open(BytesIO(data)) as opened:
            for name, make in photograph.outlines.items():
                outlines[name] = outline = make(opened.size[::-1])
                if outline.shape != opened.size[::-1]:
                    return _of_another_size(photograph.file, opened.size, outline)
            turned = opened.getexif().get(ORIENTATION, 1)
            # a JPEG is decoded at a fraction of its size, if that is ample
            ample = 2 * InputSize.of(size).resize
            opened.draft(None, (ample, ample))
            upright = as_rgb(ImageOps.exif_transpose(opened))
        scaled = scaled_to(upright.size, size)
        picture, masks = np.asarray(framed(upright, scaled, size)), {}
        for name, outline in outlines.items():
            # an object is where most of a pixel is its own, and a region is all that it touches
            least = HALF if name == OBJECT else 1
            masks[name] = framed_mask(outline, turned, scaled, size, least)
        return picture, masks, content_of(data)
    except Exception as error:  # a decoder raises whatever it comes across in a broken file
        return _unreadable(photograph, error)


def _of_another_size(file: Path, size: tuple[int, int], outline: np.ndarray) -> str:
    """The sentence for a file of another size, (width, height), than its annotation says."""
    height, width = outline.shape
    return (
        f"'{printable(file)}' is {size[0]} x {size[1]} pixels, "
        f"but its annotation is of a picture of {width} x {height}"
    )


def _unreadable(photograph: Photograph, error: Exception) -> str:
    """The sentence for a file that cannot be read; raises MachineError where the machine failed."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None):
        fault = machine_fault(error)
        if fault:
            raise fault from error
    said = printable(error)
    if isinstance(error, UnidentifiedImageError):
        said = "it is no picture of a known format"
    part = f" ('{printable(photograph.identity)}')" if photograph.stored else ""
    return f"'{printable(photograph.file)}'{part} cannot be read: {' '.join(said.split())}"


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
