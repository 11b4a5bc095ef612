"""A decoded picture, of any mode and size -> RGB, turned, scaled and cropped; its mask likewise."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from shortcut_audit.inputs_and_outputs import InputSize, Interpolation

ORIENTATION = 0x0112  # EXIF's number for it
HALF = 128  # of a mask's pixel


def scaled_to(picture: tuple[int, int], size: int) -> tuple[int, int]:
    """Width and height at which a picture of these is cropped, in pixels.

    They are rounded as torchvision does.
    """
    asked = InputSize.of(size)
    if asked.squash:
        (width, height), side = (asked.width, asked.height), int(asked)
    else:
        (width, height), side = picture, min(picture)
    return int(asked.resize * width / side), int(asked.resize * height / side)


def framed(
    picture: Image.Image,
    scaled: tuple[int, int],
    size: int,
    interpolation: Interpolation | None = None,
) -> Image.Image:
    """The picture at `scaled` width and height, of which what the size asks for in the middle.

    Args:
        picture: of any size.
        scaled: as `scaled_to` says for the whole picture.
        size: an int, or an `InputSize`.
        interpolation: another than that of the size.
    """
    asked = InputSize.of(size)
    left, top = round((scaled[0] - asked.width) / 2), round((scaled[1] - asked.height) / 2)
    way = getattr(Image.Resampling, (interpolation or asked.interpolation).upper())
    resized = picture.resize(scaled, way)  # Pillow's resizing is antialiased
    return resized.crop((left, top, left + asked.width, top + asked.height))


def framed_mask(
    outline: np.ndarray, turned: int, scaled: tuple[int, int], size: int, least: int = HALF
) -> np.ndarray:
    """(h, w) bool: where at least `least` of 255 parts of a pixel are the object's."""
    mask = Image.fromarray(outline.astype(np.uint8) * 255)
    # a mask has the coordinates of the stored file: it turns with the picture
    mask.getexif()[ORIENTATION] = turned
    upright = ImageOps.exif_transpose(mask)
    inside: np.ndarray = np.asarray(framed(upright, scaled, size, "bilinear")) >= least
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
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return picture.convert("RGB")


def _as_bytes(grey: np.ndarray) -> np.ndarray:
    """Grey values (height, width) as uint8.

    Raises:
        ValueError: their range does not say what is black and what is white.
    """
    low, high = (grey.min(), grey.max()) if grey.size else (0, 0)
    advice = "save it with 8 or 16 bits, or as floats from 0 to 1"
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"some of its values are no numbers; {advice}")
    if grey.dtype.kind == "f":
        if low < 0 or high > 255:
            raise ValueError(
                f"its values are floats from {low:g} to {high:g}, "
                f"which does not say what is white; {advice}"
            )
        return (grey * (255 if high <= 1 else 1)).round().astype(np.uint8)
    if low < 0 or high > 65535:
        raise ValueError(
            f"its values are from {low} to {high}, and 16 bits hold 0 to 65535; {advice}"
        )
    return (grey.astype(np.int64) // (257 if high > 255 else 1)).astype(np.uint8)
