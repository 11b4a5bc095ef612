"""A picture of the user's own: a logo, a ruler, a sticker."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from shortcut_audit.errors import UsageError
from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.pasting import Pasted, fitted


@register("decoy")
@dataclass(frozen=True, repr=False)
class Overlay(Pasted):
    """Any PNG with transparency; `size` is its longer side."""

    image: Path | None = None

    def __repr__(self) -> str:
        """The recipe names the picture by its content: the same path may hold another one tomorrow."""
        options = [
            f"{each.name}={getattr(self, each.name)!r}"
            for each in fields(self)
            if each.name != "image"
        ]
        content = None
        if self.image is not None and self.image.is_file():
            content = hashlib.sha256(self.image.read_bytes()).hexdigest()
        return f"Overlay({', '.join(options)}, image={self.image and self.image.name!r}, sha256={content!r})"

    def picture(self, side: int) -> np.ndarray:
        """The picture at max(h, w) = side, (h, w, 4) uint8 RGBA.

        Raises:
            UsageError: no image named, no such file, not a PNG, no transparency, or nothing
                visible.
        """
        if self.image is None:
            raise UsageError("the decoy 'overlay' needs a picture: add 'image: FILE.png'")
        try:
            with Image.open(self.image, formats=["PNG"]) as opened:
                transparent = opened.has_transparency_data
                full = opened.convert("RGBA")
        except FileNotFoundError:
            raise UsageError(
                f"the overlay's image '{self.image}' does not exist: check 'image' in the scenario"
            ) from None
        except UnidentifiedImageError:
            raise UsageError(
                f"the overlay's image '{self.image}' is not a PNG: save it as a PNG with transparency"
            ) from None
        except (OSError, SyntaxError, ValueError) as error:
            raise UsageError(
                f"the overlay's image '{self.image}' cannot be read: {error}"
            ) from None
        if not transparent:
            raise UsageError(
                f"the overlay's image '{self.image}' has no alpha channel: save it as a PNG with transparency"
            )
        box = full.getchannel("A").getbbox()
        if box is None:
            raise UsageError(
                f"the overlay's image '{self.image}' is transparent everywhere: nothing would be pasted"
            )
        return np.array(fitted(full.crop(box), side))
