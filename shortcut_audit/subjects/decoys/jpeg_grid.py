"""The 8 x 8 blocks of a badly compressed JPEG file."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from shortcut_audit.errors import UsageError
from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.filtering import Filtered


@register("decoy")
@dataclass(frozen=True)
class JpegGrid(Filtered):
    """The picture written as a JPEG, with colours as fine as greys, and read again.

    Control: the JPEG's own errors, pixel by pixel in another order: grain of the same energy and
    colours, without a block.
    """

    quality: int = 6  # of the JPEG, from 1 to 95

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range."""
        super().__post_init__()
        if not 1 <= self.quality <= 95:
            raise UsageError(f"a JPEG's quality is between 1 and 95, not {self.quality}")

    def changed(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The picture through a JPEG file and back, (3, h, w)."""
        file = BytesIO()
        Image.fromarray(picture.astype(np.uint8).transpose(1, 2, 0)).save(
            file, "JPEG", quality=self.quality, subsampling=0
        )
        return np.asarray(Image.open(file), dtype=np.float32).transpose(2, 0, 1)
