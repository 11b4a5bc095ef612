"""Files -> pixels: photographs as people have them, decoded in threads, and those that are broken charged to themselves alone."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from shortcut_audit.errors import DataError, UsageError, did_you_mean
from shortcut_audit.records import Pictures
from shortcut_audit.subjects.pictures import pictures

SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}  # torchvision's IMG_EXTENSIONS
ORIENTATION = 0x0112  # EXIF

Frames = tuple[np.ndarray, np.ndarray | None]  # picture (size, size, 3) uint8 and its object (size, size) bool


@dataclass(frozen=True)
class Photograph:
    """A file that is to be decoded; `outline` makes its object's mask (height, width) bool, as the file is stored."""

    file: Path
    identity: str
    label: int = -1
    outline: Callable[[], np.ndarray] | None = None


def load(
    photographs: Sequence[Photograph], size: int, classes: tuple[str, ...], workers: int, said: Iterable[str] = ()
) -> Pictures:
    """Decodes the photographs at size x size pixels on `workers` threads (0: as many as cores), in their order.

    A file that cannot be read is left out and named in `Pictures.broken`, after the sentences in `said`.

    Raises:
        UsageError: `workers` is below 0.
        DataError: there are photographs, and not one of them can be read.
    """
    if workers < 0:
        raise UsageError(f"pictures cannot be decoded by {workers} workers: ask for 1 or more, or for 0, as many as cores")
    n = len(photographs)
    pixels = np.empty((n, 3, size, size), dtype=np.uint8)
    outlined = any(each.outline for each in photographs)
    objects = np.zeros((n, size, size), dtype=bool) if outlined else None
    kept: list[Photograph] = []
    broken: list[str] = []
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, which does not matter here
        for each, frames in zip(photographs, pool.map(partial(decode, size=size), photographs), strict=True):
            if isinstance(frames, str):
                broken.append(frames)
                continue
            pixels[len(kept)] = frames[0].transpose(2, 0, 1)
            if objects is not None and frames[1] is not None:
                objects[len(kept)] = frames[1]
            kept.append(each)
    if photographs and not kept:
        where = os.path.commonpath([each.file.parent for each in photographs])
        raise DataError(f"none of the {n} pictures in '{where}' can be read; the first: {broken[0]}")
    labels, ids = [each.label for each in kept], [each.identity for each in kept]
    found = None if objects is None else torch.from_numpy(objects[: len(kept)])
    return pictures(torch.from_numpy(pixels[: len(kept)]), labels, ids, classes, found, broken=(*said, *broken))


def decode(photograph: Photograph, size: int) -> Frames | str:
    """The picture and its object through one scale and crop, or the sentence that says why the file cannot be read.

    A picture is turned upright, made RGB, scaled so that its shorter side is `size`, and cropped at its centre.
    """
    try:
        outline = photograph.outline() if photograph.outline else None
        with Image.open(photograph.file) as opened:
            if outline is not None and outline.shape != opened.size[::-1]:
                (height, width), found = outline.shape, "{} x {}".format(*opened.size)
                return f"'{photograph.file}' is {found} pixels, but its annotation is of a picture of {width} x {height}"
            turned = opened.getexif().get(ORIENTATION, 1)
            opened.draft(None, (2 * size, 2 * size))  # a JPEG is decoded at a fraction of its size, if that is ample
            upright = as_rgb(ImageOps.exif_transpose(opened))
        width, height = (int(size * length / min(upright.size)) for length in upright.size)  # rounded as torchvision does
        picture = np.asarray(framed(upright, (width, height), size))
        return picture, None if outline is None else _framed_mask(outline, turned, (width, height), size)
    except Exception as error:  # a decoder raises whatever it comes across in a broken file
        return f"'{photograph.file}' cannot be read: {' '.join(str(error).split())}"


def framed(picture: Image.Image, scaled: tuple[int, int], size: int) -> Image.Image:
    """The picture at `scaled` width and height, and of that the size x size pixels in the middle."""
    left, top = (round((length - size) / 2) for length in scaled)
    resized = picture.resize(scaled, Image.Resampling.BILINEAR)  # Pillow's resizing is antialiased
    return resized.crop((left, top, left + size, top + size))


def _framed_mask(outline: np.ndarray, turned: int, scaled: tuple[int, int], size: int) -> np.ndarray:
    """(size, size) bool: where at least half of a pixel is the object's."""
    mask = Image.fromarray(outline.astype(np.uint8) * 255)
    mask.getexif()[ORIENTATION] = turned  # a mask has the coordinates of the stored file: it turns with the picture
    inside: np.ndarray = np.asarray(framed(ImageOps.exif_transpose(mask), scaled, size)) >= 128
    return inside


def as_rgb(picture: Image.Image) -> Image.Image:
    """Any mode as RGB: 16-bit grey is scaled to 8 bits, and what is transparent becomes white."""
    if picture.mode.startswith("I;16") or picture.mode == "I":
        return Image.fromarray((np.asarray(picture).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, (255, 255, 255, 255)), layer).convert("RGB")
    return picture.convert("RGB")


def chosen(photographs: Sequence[Photograph], most: int | None) -> list[Photograph]:
    """At most so many of them (None: all), in their order.

    Law: which ones depends on the identities alone, not on the order; a smaller choice is part of a larger one.
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
    """`validation: cat 90 kept of 184 photos; dropped: 12 with another class, 71 too small`; all but "photos" are drops."""
    drops = [f"{count} {reason}" for reason, count in counts.items() if count and reason != "photos"]
    return f"{what} {kept} kept of {counts['photos']} photos" + (f"; dropped: {', '.join(drops)}" if drops else "")


def by_identity(identity: str) -> bytes:
    """A key that sorts identities in a random order which is always the same."""
    return hashlib.sha256(identity.encode()).digest()


def existing(split: str, folder: Path) -> Path:
    """The folder itself, if it is one."""
    if folder.is_dir():
        return folder
    found = "is a file" if folder.exists() else "does not exist"
    beside = [each.name for each in folder.parent.iterdir() if each.is_dir()] if folder.parent.is_dir() else []
    hint = did_you_mean(folder.name, beside) if beside else ": check the path in the scenario"
    raise DataError(f"the {split} folder '{folder}' {found}{hint}")


def picture_files(folder: Path) -> list[Path]:
    """Every picture below the folder, sorted by its path; hidden files are none."""
    files = [file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")]
    return sorted((file for file in files if file.is_file()), key=lambda file: file.relative_to(folder).as_posix())


def filled_folder(split: str, folder: Path) -> list[Path]:
    """The pictures of a class, at least one."""
    files = picture_files(folder)
    if not files:
        raise DataError(f"the {split} folder has no picture of '{folder.name}': put one into '{folder}', or remove the folder")
    return files
