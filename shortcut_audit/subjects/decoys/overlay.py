"""A picture of the user's own: a logo, a ruler, a sticker."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from shortcut_audit.errors import UsageError
from shortcut_audit.registry import register, snake_case
from shortcut_audit.subjects.decoying.pasting import Pasted, fitted


@register("decoy")
@dataclass(frozen=True, repr=False)
class Overlay(Pasted):
    """Any PNG with transparency; `size` is its longer side."""

    image: Path | None = None

    def __repr__(self) -> str:
        """The recipe, which names the picture by its content.

        The same path may hold another picture tomorrow.
        """
        options = []
        for each in fields(self):
            if each.name != "image":
                options.append(f"{each.name}={getattr(self, each.name)!r}")
        name = content = None
        if self.image is not None:
            name = self.image.name
            if self.image.is_file():
                content = hashlib.sha256(self.image.read_bytes()).hexdigest()
        return f"{type(self).__name__}({', '.join(options)}, image={name!r}, sha256={content!r})"

    def picture(self, side: int) -> np.ndarray:
        """The picture without its transparent rim, at max(h, w) = side, (h, w, 4) uint8 RGBA.

        Raises:
            UsageError: no image named, no such file, not a PNG, no transparency, or nothing
                visible.
        """
        full = self.full()
        return np.array(fitted(full.crop(full.getchannel("A").getbbox()), side))

    def full(self) -> Image.Image:
        """The picture as it is, RGBA; raises as `picture` does."""
        if self.image is None:
            kind = snake_case(type(self).__name__)
            raise UsageError(f"the decoy '{kind}' needs a picture: add 'image: FILE.png'")
        full = _opened(self.image)
        if full.getchannel("A").getbbox() is None:
            raise UsageError(
                f"the overlay's image '{self.image}' is transparent everywhere: "
                "nothing would be pasted"
            )
        return full


def _opened(file: Path) -> Image.Image:
    """The PNG with transparency, as RGBA; raises UsageError where the file is none."""
    what, advice = f"the overlay's image '{file}'", "save it as a PNG with transparency"
    try:
        with Image.open(file, formats=["PNG"]) as opened:
            transparent = opened.has_transparency_data
            full = opened.convert("RGBA")
    except FileNotFoundError:
        raise UsageError(f"{what} does not exist: check 'image' in the scenario") from None
    except UnidentifiedImageError:
        raise UsageError(f"{what} is not a PNG: {advice}") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise UsageError(f"{what} cannot be read: {error}") from None
    if not transparent:
        raise UsageError(f"{what} has no alpha channel: {advice}")
    return full
