"""One file -> a picture (h, w, 3) with its masks, or the words that say why it cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from shortcut_audit.errors import machine_fault
from shortcut_audit.files.whole import printable
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.subjects.pictures.counted_once import Stored
from shortcut_audit.subjects.pictures.framing import (
    HALF,
    ORIENTATION,
    as_rgb,
    framed,
    framed_mask,
    scaled_to,
)

OBJECT = ""  # what the mask of a picture's object is called; others have names of their own

Frames = tuple[np.ndarray, dict[str, np.ndarray]]  # (h, w, 3) uint8, and masks (h, w) by name
# height and width of a picture, as it is stored -> a mask of these, bool
Outline = Callable[[tuple[int, int]], np.ndarray]


NO_OUTLINES: Mapping[str, Outline] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Photograph:
    """A file that is to be decoded."""

    file: Path
    identity: str
    label: int = -1
    # OBJECT or a name -> its mask
    outlines: Mapping[str, Outline] = field(default_factory=lambda: NO_OUTLINES)
    shown: tuple[bool, ...] = ()  # (k,) each of the classes, where there may be several
    # gives the picture's bytes where they are only a part of the file
    stored: Stored | None = None

    def read(self) -> bytes:
        """The picture's bytes, as they are in its file."""
        return self.stored() if self.stored else self.file.read_bytes()


def read(photograph: Photograph) -> bytes | str:
    """The picture's bytes, or as `decode`, and raises as that."""
    try:
        return photograph.read()
    except Exception as error:  # what gives the bytes of a part of a file may raise anything
        return _unreadable(error)


def decode(photograph: Photograph, data: bytes, size: int) -> Frames | str:
    """The picture and its masks through one scale and crop, or the words that say why not.

    A picture is turned upright, made RGB, scaled so that its shorter side is `size` (or as an
    `InputSize` says), and cropped at its centre. Of several in one file it is the first.

    Raises:
        MachineError: the machine has no memory left, or its disk failed: that is no fault of the
            file.
    """
    try:
        outlines: dict[str, np.ndarray] = {}
        with Image.open(BytesIO(data)) as opened:
            for name, make in photograph.outlines.items():
                outlines[name] = outline = make(opened.size[::-1])
                if outline.shape != opened.size[::-1]:
                    return _of_another_size(opened.size, outline)
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
        return picture, masks
    except Exception as error:  # a decoder raises whatever it comes across in a broken file
        return _unreadable(error)


def sentence(photograph: Photograph, why: str) -> str:
    """What is said of a file that cannot be read, for these words of `decode`."""
    part = f" ('{printable(photograph.identity)}')" if photograph.stored else ""
    return f"'{printable(photograph.file)}'{part} {why}"


def _of_another_size(size: tuple[int, int], outline: np.ndarray) -> str:
    """The words for a file of another size, (width, height), than its annotation says."""
    height, width = outline.shape
    return (
        f"is {size[0]} x {size[1]} pixels, but its annotation is of a picture of {width} x {height}"
    )


def _unreadable(error: Exception) -> str:
    """The words for a file that cannot be read; raises MachineError where the machine failed."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None):
        fault = machine_fault(error)
        if fault:
            raise fault from error
    said = printable(error)
    if isinstance(error, UnidentifiedImageError):
        said = "it is no picture of a known format"
    return f"cannot be read: {' '.join(said.split())}"
