"""A change of the whole picture -> Decoyed: the change, and a neutral control of its strength."""

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

    The control is "counterpart", the subclass's own neutral change, or "scrambled", the decoy's own
    change with its pixels in another order for each picture. Either is scaled to the decoy's root
    mean square change, picture by picture: it has the same energy, without the decoy's form.

    The footprint is the whole picture, so that no place is off the decoy: where a mask lies says
    nothing of such a decoy, while insertion, removal, decoy only and influence keep their meaning.
    """

    target: str = ""  # the decoy's class
    opacity: float = 1.0  # in (0, 1], the share of the way from the picture to the changed one
    seed: int = 0  # of what is random
    control: str = "counterpart"  # one of CONTROLS

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range."""
        check_choice("control", self.control, CONTROLS)
        check_share("opacity", self.opacity)

    @abstractmethod
    def changed(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The picture as the decoy at full opacity makes it; what is out of range is cut off.

        Args:
            picture: (3, h, w) float32 in [0, 255].
            rng: of this picture.

        Returns:
            (3, h, w) float32.
        """

    def counterpart(
        self, picture: np.ndarray, decoyed: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """The picture with the neutral change on it, (3, h, w) float32, before that is scaled."""
        return scrambled(picture, decoyed, rng)

    def apply(self, pixels: Tensor, ids: Sequence[str]) -> Decoyed:
        """The decoy and its control on pixels (n, 3, h, w) uint8 with n ids.

        Laws: what is random comes from (seed, id) alone, so that a picture gets the same in any
        batch and order; the control changes it by the decoy's root mean square, but for rounding
        and for what cannot be made up where much is cut off at black and white.

        Raises:
            UsageError: pixels of another shape or type, ids that do not fit.
        """
        check_pixels(pixels, ids)
        decoyed = np.empty(pixels.shape, dtype=np.uint8)
        control = np.empty(pixels.shape, dtype=np.uint8)
        neutral = self.counterpart if self.control == "counterpart" else scrambled
        for i, identity in enumerate(ids):
            picture, rng = pixels[i].numpy().astype(np.float32), generator(self.seed, identity)
            change = self.changed(picture, rng) - picture
            decoyed[i] = rounded(picture + self.opacity * change)
            other = neutral(picture, decoyed[i].astype(np.float32), rng)
            control[i] = as_strong(picture, decoyed[i], other)
        footprint = torch.ones((len(pixels), *pixels.shape[2:]), dtype=torch.bool)
        return Decoyed(torch.from_numpy(decoyed), torch.from_numpy(control), footprint)


def scrambled(picture: np.ndarray, decoyed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture with the decoy's change on it, its pixels in another order; (3, h, w) float32."""
    change = (decoyed - picture).reshape(3, -1)
    other: np.ndarray = picture + change[:, rng.permutation(change.shape[1])].reshape(picture.shape)
    return other


def as_strong(picture: np.ndarray, decoyed: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`picture` changed in the direction of `other` by as much as in `decoyed`, (3, h, w) uint8."""
    wanted, change = rms(decoyed - picture), other - picture
    factor = 1.0
    for _ in range(ROUNDS):
        found = rms(np.clip(picture + factor * change, 0, 255) - picture)
        factor = min(MOST, factor * wanted / found) if found > 0 else 0.0
    return rounded(picture + factor * change)


def rounded(picture: np.ndarray) -> np.ndarray:
    """The nearest whole numbers, uint8; what is out of range is cut off at black and white."""
    whole: np.ndarray = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return whole


def rms(change: np.ndarray) -> float:
    """Root mean square of a change of any shape, in grey levels."""
    return float(np.sqrt(np.mean(change.astype(np.float64) ** 2)))
