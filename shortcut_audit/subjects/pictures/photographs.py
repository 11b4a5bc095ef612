"""Files -> pixels: photographs as people have them, decoded in threads, and those that are broken
charged to themselves alone.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

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
from shortcut_audit.subjects.pictures.record import one_colour, pictures

ORIENTATION = 0x0112  # EXIF

BROKEN = "broken"  # after "dropped: 3"

# picture (size, size, 3) uint8, its object (size, size) bool, its file
Frames = tuple[np.ndarray, np.ndarray | None, Content]


@dataclass(frozen=True)
class Photograph:
    """A file that is to be decoded; `outline` makes its object's mask (height, width) bool, as the
    file is stored.
    """

    file: Path
    identity: str
    label: int = -1
    outline: Callable[[], np.ndarray] | None = None


@dataclass(frozen=True)
class Loaded:
    """A split, and why each photograph that is not in it was left out: identity -> BROKEN or a
    reason of `counted_once`.
    """

    pictures: Pictures
    dropped: dict[str, str]


def load(
    split: str,
    photographs: Sequence[Photograph],
    size: int,
    classes: tuple[str, ...],
    workers: int,
    said: Iterable[str] = (),
    training: Iterable[Path] = (),
) -> Loaded:
    """Decodes the photographs at size x size pixels on `workers` threads (0: as many as cores), in
    their order.

    What cannot be read is left out, and of files of the same bytes all but one, those that stand
    under two classes, and those that are among the files in `training`. `Pictures.broken` has a
    sentence for each, after those in `said`.

    Laws: a picture's bytes are read once; which ones are left out depends on neither order nor
        size.

    Raises:
        UsageError: `workers` is below 0.
        DataError: there are photographs, and not one of them is left.
    """
    if workers < 0:
        raise UsageError(
            f"pictures cannot be decoded by {workers} workers: ask for 1 or more, or for 0, as many as cores"
        )
    n = len(photographs)
    pixels = np.empty((n, 3, size, size), dtype=np.uint8)
    outlined = any(each.outline for each in photographs)
    objects = np.zeros((n, size, size), dtype=bool) if outlined else None
    contents: dict[int, Content] = {}
    broken: list[str] = []
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, which does not matter here
        for i, frames in enumerate(pool.map(partial(decode, size=size), photographs)):
            if isinstance(frames, str):
                broken.append(frames)
                continue
            pixels[i] = frames[0].transpose(2, 0, 1)
            if objects is not None and frames[1] is not None:
                objects[i] = frames[1]
            contents[i] = frames[2]
    dropped = _dropped(photographs, contents, training)
    broken += sentences(split, dropped)
    kept = [i for i, each in enumerate(photographs) if each.identity not in dropped]
    if photographs and not kept:
        where = printable(os.path.commonpath([each.file.parent for each in photographs]))
        if not contents:
            raise DataError(
                f"none of the {n} pictures in '{where}' can be read; the first: {broken[0]}"
            )
        raise DataError(
            f"none of the {n} pictures in '{where}' is left: {'; '.join(sentences(split, dropped))}"
        )
    return Loaded(
        _split(
            split,
            [photographs[i] for i in kept],
            (pixels, objects),
            kept,
            classes,
            (*said, *broken),
        ),
        dropped,
    )


def _dropped(
    photographs: Sequence[Photograph], contents: Mapping[int, Content], training: Iterable[Path]
) -> dict[str, str]:
    """Identity -> why it is left out."""
    whole = {photographs[i].identity: each for i, each in contents.items()}
    labels = [photographs[i].label for i in contents]
    dropped = left_out(list(whole), labels, [each.digest for each in whole.values()])
    broken = {each.identity: BROKEN for i, each in enumerate(photographs) if i not in contents}
    return {**broken, **dropped, **(trained_on(whole, training) if whole else {})}


def _split(
    split: str,
    photographs: Sequence[Photograph],
    frames: tuple[np.ndarray, np.ndarray | None],
    kept: Sequence[int],
    classes: tuple[str, ...],
    said: Sequence[str],
) -> Pictures:
    """The record of the photographs that are kept; nothing is copied, for there may be many."""
    import torch

    pixels, objects = frames
    for to, at in enumerate(kept):
        if to != at:
            pixels[to] = pixels[at]
            if objects is not None:
                objects[to] = objects[at]
    shown = torch.from_numpy(pixels[: len(kept)])
    labels, ids = [each.label for each in photographs], [each.identity for each in photographs]
    found = None if objects is None else torch.from_numpy(objects[: len(kept)])
    broken = (*said, *one_colour(split, shown, np.asarray(labels, np.int64), classes))
    return pictures(shown, labels, ids, classes, found, broken=broken)


def decode(photograph: Photograph, size: int) -> Frames | str:
    """The picture and its object through one scale and crop, or the sentence that says why the file
    cannot be read.

    A picture is turned upright, made RGB, scaled so that its shorter side is `size`, and cropped at
    its centre. Of several in one file it is the first.

    Raises:
        MachineError: the machine has no memory left, or its disk failed: that is no fault of
            the file.
    """
    try:
        data = photograph.file.read_bytes()
        outline = photograph.outline() if photograph.outline else None
        with Image.open(BytesIO(data)) as opened:
            if outline is not None and outline.shape != opened.size[::-1]:
                (height, width), found = outline.shape, "{} x {}".format(*opened.size)
                return f"'{printable(photograph.file)}' is {found} pixels, but its annotation is of a picture of {width} x {height}"
            turned = opened.getexif().get(ORIENTATION, 1)
            # a JPEG is decoded at a fraction of its size, if that is ample
            opened.draft(None, (2 * size, 2 * size))
            upright = as_rgb(ImageOps.exif_transpose(opened))
        # rounded as torchvision does
        width, height = (int(size * length / min(upright.size)) for length in upright.size)
        picture = np.asarray(framed(upright, (width, height), size))
        mask = None if outline is None else _framed_mask(outline, turned, (width, height), size)
        return picture, mask, content_of(data)
    except Exception as error:  # a decoder raises whatever it comes across in a broken file
        fault = (
            machine_fault(error)
            if isinstance(error, MemoryError) or getattr(error, "errno", None)
            else None
        )
        if fault:
            raise fault from error
        said = (
            "it is no picture of a known format"
            if isinstance(error, UnidentifiedImageError)
            else printable(error)
        )
        return f"'{printable(photograph.file)}' cannot be read: {' '.join(said.split())}"


def framed(picture: Image.Image, scaled: tuple[int, int], size: int) -> Image.Image:
    """The picture at `scaled` width and height, and of that the size x size pixels in the middle."""
    left, top = (round((length - size) / 2) for length in scaled)
    resized = picture.resize(scaled, Image.Resampling.BILINEAR)  # Pillow's resizing is antialiased
    return resized.crop((left, top, left + size, top + size))


def _framed_mask(
    outline: np.ndarray, turned: int, scaled: tuple[int, int], size: int
) -> np.ndarray:
    """(size, size) bool: where at least half of a pixel is the object's."""
    mask = Image.fromarray(outline.astype(np.uint8) * 255)
    # a mask has the coordinates of the stored file: it turns with the picture
    mask.getexif()[ORIENTATION] = turned
    inside: np.ndarray = np.asarray(framed(ImageOps.exif_transpose(mask), scaled, size)) >= 128
    return inside


def as_rgb(picture: Image.Image) -> Image.Image:
    """Any mode as RGB; what is transparent becomes white.

    Grey of more than 8 bits is scaled: whole numbers from 0 to 65535, floats from 0 to 1. Where
    none is above 255 they are 8-bit values in a wider type, floats above 1 likewise.

    Raises:
        ValueError: grey values below 0 or beyond that, or that are no numbers.
    """
    if picture.mode.startswith("I") or picture.mode == "F":
        return Image.fromarray(_as_bytes(np.asarray(picture))).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        return Image.alpha_composite(
            Image.new("RGBA", layer.size, (255, 255, 255, 255)), layer
        ).convert("RGB")
    return picture.convert("RGB")


def _as_bytes(grey: np.ndarray) -> np.ndarray:
    """Grey values (height, width) as uint8; raises ValueError where their range does not say what
    is black and what is white.
    """
    low, high = (grey.min(), grey.max()) if grey.size else (0, 0)
    advice = "save it with 8 or 16 bits, or as floats from 0 to 1"
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"some of its values are no numbers; {advice}")
    if grey.dtype.kind == "f":
        if low < 0 or high > 255:
            raise ValueError(
                f"its values are floats from {low:g} to {high:g}, which does not say what is white; {advice}"
            )
        return (grey * (255 if high <= 1 else 1)).round().astype(np.uint8)
    if low < 0 or high > 65535:
        raise ValueError(
            f"its values are from {low} to {high}, and 16 bits hold 0 to 65535; {advice}"
        )
    return (grey.astype(np.int64) // (257 if high > 255 else 1)).astype(np.uint8)


def chosen(photographs: Sequence[Photograph], most: int | None) -> list[Photograph]:
    """At most so many of them (None: all), in their order.

    Law: which ones depends on the identities alone, not on the order; a smaller choice is part
        of a larger one.
    """
    if most is None or most >= len(photographs):
        return list(photographs)
    drawn = set(sorted((each.identity for each in photographs), key=by_identity)[:most])
    return [each for each in photographs if each.identity in drawn]


def check_counts(**asked: int | None) -> None:
    """Raises UsageError for a number of pictures below 0."""
    for split, count in asked.items():
        if count is not None and count < 0:
            raise UsageError(f"there cannot be {count} {split} pictures: ask for 0 or more")


def told(what: str, kept: int, counts: Mapping[str, int]) -> str:
    """`validation: cat 90 kept of 184 photos; dropped: 12 with another class, 71 too small`; all
    but "photos" are drops.
    """
    drops = [
        f"{count} {reason}" for reason, count in counts.items() if count and reason != "photos"
    ]
    return f"{what} {kept} kept of {counts['photos']} photos" + (
        f"; dropped: {', '.join(drops)}" if drops else ""
    )


def by_identity(identity: str) -> bytes:
    """A key that sorts identities in a random order which is always the same."""
    return hashlib.sha256(as_bytes(identity)).digest()
