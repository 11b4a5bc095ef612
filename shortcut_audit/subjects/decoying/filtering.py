"""A change of the whole picture -> Decoyed: its strength, and a neutral control that disturbs the
picture as strongly.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shortcut_audit.records import Decoyed
from shortcut_audit.subjects.decoying.pasting import check_choice, check_pixels, check_share
from shortcut_audit.subjects.pictures.record import generator

CONTROLS = ("counterpart", "scrambled")
ROUNDS = 6  # of making up for what is cut off at black and white
MOST = 100.0  # a control is never amplified beyond this


@dataclass(frozen=True)
class Filtered(ABC):
    """A decoy that changes the whole picture; a subclass says how.

    target: the decoy's class. opacity in (0, 1]: the share of the way from the picture to the
        changed one. seed: of what is
    random. control, one of CONTROLS: "counterpart" is the family's own neutral change, "scrambled"
    the decoy's own change with its pixels in another order for each picture. Whatever the control,
    it is scaled to the decoy's root mean square change, picture by picture: the same energy,
    without the decoy's form.

    The footprint is the whole picture, so that no place is off the decoy: where a mask lies says
    nothing of such a decoy, while insertion, removal, decoy only and influence keep their meaning.
    """

    target: str = ""
    opacity: float = 1.0
    seed: int = 0
    control: str = "counterpart"

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range."""
        check_choice("control", self.control, CONTROLS)
        check_share("opacity", self.opacity)

    @abstractmethod
    def changed(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The picture (3, h, w) float32 in [0, 255] as the decoy at full opacity makes it; what is
        out of range is cut off.
        """

    def counterpart(
        self, picture: np.ndarray, decoyed: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """The neutral change, (3, h, w) float32, before it is scaled."""
        return scrambled(picture, decoyed, rng)

    def apply(self, pixels: Tensor, ids: Sequence[str]) -> Decoyed:
        """The decoy and its control on pixels (n, 3, h, w) uint8; what is random comes from (seed,
        id) alone.

        Laws: a picture gets the same in any batch and order; the control changes it by the
            decoy's root mean square, but for
        rounding and for what cannot be made up where much is cut off at black and white.

        Raises:
            UsageError: pixels of another shape or type, ids that do not fit.
        """
        check_pixels(pixels, ids)
        made = np.empty((2, *pixels.shape), dtype=np.uint8)
        for i, (each, identity) in enumerate(zip(pixels.numpy(), ids, strict=True)):
            rng, picture = generator(self.seed, identity), each.astype(np.float32)
            made[0, i] = decoyed = rounded(
                picture + self.opacity * (self.changed(picture, rng) - picture)
            )
            change = self.counterpart if self.control == "counterpart" else scrambled
            made[1, i] = as_strong(
                picture, decoyed, change(picture, decoyed.astype(np.float32), rng)
            )
        footprint = torch.ones((len(pixels), *pixels.shape[2:]), dtype=torch.bool)
        return Decoyed(torch.from_numpy(made[0]), torch.from_numpy(made[1]), footprint)


def scrambled(picture: np.ndarray, decoyed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture with the decoy's change on it, pixel by pixel in another order; all (3, h, w)
    float32.
    """
    change = (decoyed - picture).reshape(3, -1)
    other: np.ndarray = picture + change[:, rng.permutation(change.shape[1])].reshape(picture.shape)
    return other


def as_strong(picture: np.ndarray, decoyed: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`picture` changed in the direction of `other` by as much as in `decoyed`, (3, h, w) uint8."""
    wanted, change, factor = rms(decoyed - picture), other - picture, 1.0
    for _ in range(ROUNDS):
        found = rms(np.clip(picture + factor * change, 0, 255) - picture)
        factor = min(MOST, factor * wanted / found) if found > 0 else 0.0
    return rounded(picture + factor * change)


def rounded(picture: np.ndarray) -> np.ndarray:
    """uint8, cut off at black and white."""
    whole: np.ndarray = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return whole


def rms(change: np.ndarray) -> float:
    """Root mean square, in grey levels."""
    return float(np.sqrt(np.mean(change.astype(np.float64) ** 2)))
