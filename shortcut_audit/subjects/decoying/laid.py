"""A pasted decoy in another form: turned, in several copies, at places that somebody chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from shortcut_audit.records import Decoyed
from shortcut_audit.subjects.decoying.pasting import MARGIN, Pasted, check_pixels, fitted


@dataclass(frozen=True)
class Laid:
    """Copies of a decoy at the same places of every picture.

    It is no entry of the registry: all that it does is the decoy's own doing, copy by copy.
    """

    decoy: Pasted  # of the size and the opacity that each copy has
    rotation: int  # degrees, anticlockwise
    # of each copy: the shares in [0, 1] of the free room that are left above it and to its left
    places: tuple[tuple[float, float], ...]

    @property
    def dose(self) -> float:
        """Opacity x size^2 x copies: of one decoy, in proportion to how much of a picture it hides
        where copies do not overlap.
        """
        return self.decoy.opacity * self.decoy.size**2 * len(self.places)

    def apply(self, pixels: Tensor, ids: Sequence[str]) -> Decoyed:
        """The copies and their controls on pixels (n, 3, h, w) uint8 with n ids.

        Laws: outside the footprint nothing changes; one copy in a corner or in the middle that is
        not turned is the decoy itself with that placement, its control included.

        Raises:
            UsageError: as the decoy's own `apply`.
        """
        check_pixels(pixels, ids)
        height, width = pixels.shape[2:]
        footprint = torch.zeros((len(pixels), height, width), dtype=torch.bool)
        made = Decoyed(pixels.clone(), pixels.clone(), footprint)
        pictures = self._pictures(max(1, round(self.decoy.size * min(height, width))))
        taken = self.decoy.taken(ids, len(pictures))  # (n,)
        for i, picture in enumerate(pictures):
            images = np.flatnonzero(taken == i)
            for place in self.places if len(images) else ():
                _lay(made, _Copy.of(self.decoy, picture), place, images, ids)
        return made

    def _pictures(self, side: int) -> list[np.ndarray]:
        return [turned(picture, self.rotation, side) for picture in self.decoy.pictures(side)]


@dataclass(frozen=True, eq=False)
class _Copy(Pasted):
    """A decoy that is this very picture, whatever size is asked for."""

    form: Pasted | None = None
    rgba: np.ndarray = field(default_factory=lambda: np.zeros((1, 1, 4), np.uint8))  # (a, b, 4)

    @staticmethod
    def of(decoy: Pasted, rgba: np.ndarray) -> _Copy:
        """It fills the window that it is put on, whose middle is then its only place."""
        return _Copy(
            placement="centre",
            opacity=decoy.opacity,
            seed=decoy.seed,
            control=decoy.control,
            form=decoy,
            rgba=rgba,
        )

    def picture(self, side: int) -> np.ndarray:
        return self.rgba

    def covered(self, visible: np.ndarray) -> np.ndarray:
        return self.form.covered(visible) if self.form else super().covered(visible)


def _lay(
    made: Decoyed, copy: _Copy, place: tuple[float, float], images: np.ndarray, ids: Sequence[str]
) -> None:
    """Lays one copy and its control on these images, in place."""
    height, width = made.footprint.shape[1:]
    margin = round(MARGIN * min(height, width))
    a, b = copy.rgba.shape[:2]
    top, left = _start(place[0], height - a, margin), _start(place[1], width - b, margin)
    rows, columns, named = slice(top, top + a), slice(left, left + b), [ids[i] for i in images]
    window = (images, slice(None), rows, columns)
    laid = copy.apply(made.decoyed[window], named)
    made.control[window] = copy.apply(made.control[window], named).control
    made.decoyed[window] = laid.decoyed
    made.footprint[images, rows, columns] |= laid.footprint


def turned(picture: np.ndarray, rotation: int, side: int) -> np.ndarray:
    """The picture (a, b, 4) uint8 RGBA, turned, again with its longer side at `side` pixels."""
    if rotation == 0:
        return picture
    # Pillow weighs RGBA by alpha, so no dark rims appear
    image = Image.fromarray(picture).rotate(rotation, Image.Resampling.BICUBIC, expand=True)
    return np.array(fitted(image.crop(image.getchannel("A").getbbox()), side))


def _start(share: float, room: int, margin: int) -> int:
    """Where a copy begins, in pixels, if it leaves this share of the free room before it."""
    kept = min(margin, room // 2)
    return kept + int(share * (room - 2 * kept))
