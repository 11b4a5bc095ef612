"""A small RGBA picture -> Decoyed: where it goes on each image, and the control that goes there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.records import Decoyed
from shortcut_audit.subjects.pictures.record import generator

CORNERS = {"top_left": (0, 0), "top_right": (0, 1), "bottom_left": (1, 0), "bottom_right": (1, 1)}
PLACEMENTS = (*CORNERS, "centre", "random_corner", "random_position")
CONTROLS = ("grey", "noise", "scrambled")
SMALL = 0.1  # of the longer side: a gap of a layer that is closed
MARGIN = 0.02  # between a corner and the decoy, as a share of the shorter image side
# a pixel of less alpha is left out: nobody sees it, and it would blur the footprint
NOTICEABLE = 0.05
BATCH = 256  # images at once, which bounds the memory
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


@dataclass(frozen=True)
class Pasted(ABC):
    """A decoy that is an RGBA picture, pasted on every image; a subclass says which picture."""

    target: str = ""  # the decoy's class
    placement: str = "random_position"  # one of PLACEMENTS
    opacity: float = 1.0  # in (0, 1]
    size: float = 0.25  # the decoy's longer side as a share of the shorter image side, in (0, 1]
    seed: int = 0  # of the random placements
    control: str = "grey"  # what replaces the content, one of `controls`

    # a subclass has fewer where one of them would be the decoy itself
    controls: ClassVar[tuple[str, ...]] = CONTROLS

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range."""
        check_choice("placement", self.placement, PLACEMENTS)
        check_choice("control", self.control, self.controls)
        check_share("opacity", self.opacity)
        check_share("size", self.size)

    @abstractmethod
    def picture(self, side: int) -> np.ndarray:
        """The decoy, (h, w, 4) uint8 RGBA with max(h, w) = side pixels."""

    def pictures(self, side: int) -> Sequence[np.ndarray]:
        """All the pictures that the decoy can be, at least one, each (h, w, 4) uint8 RGBA.

        Each image gets one of them, by its identity.
        """
        return [self.picture(side)]

    def covered(self, visible: np.ndarray) -> np.ndarray:
        """The footprint (a, b) bool of a picture that is visible at (a, b) bool.

        It has no gaps, or a control of this form would still show what is written there.
        """
        return filled(visible)

    def apply(self, pixels: Tensor, ids: Sequence[str]) -> Decoyed:
        """The decoy and its control on pixels (n, 3, h, w) uint8 with n ids.

        Laws: outside the footprint nothing changes; each image's place and picture come from (seed,
        its id) alone, so that it gets the same in any batch and order; the control keeps place,
        footprint and mean opacity of the decoy, and none of its content.

        Raises:
            UsageError: pixels of another shape or type, ids that do not fit, or a decoy too faint
                to be seen.
        """
        check_pixels(pixels, ids)
        height, width = pixels.shape[2:]
        side = max(1, round(self.size * min(height, width)))
        pictures = self.pictures(side)
        taken = self.taken(ids, len(pictures))  # (n,)
        footprint = torch.zeros((len(pixels), height, width), dtype=torch.bool)
        made = Decoyed(pixels.clone(), pixels.clone(), footprint)
        for i, picture in enumerate(pictures):
            self._paste(made, picture.astype(np.float32), (taken == i).nonzero()[0], ids, side)
        return made

    def taken(self, ids: Sequence[str], count: int) -> np.ndarray:
        """(n,) int64: which of the `count` pictures each image gets."""
        taken = np.zeros(len(ids), dtype=np.int64)
        if count > 1:
            for i, identity in enumerate(ids):
                taken[i] = generator(self.seed, f"picture/{identity}").integers(count)
        return taken

    def _paste(
        self, made: Decoyed, picture: np.ndarray, images: np.ndarray, ids: Sequence[str], side: int
    ) -> None:
        """Lays a picture (a, b, 4) and its control on these images, in place.

        `side` is what the picture's longer side was asked to be.
        """
        colour = picture[..., :3]  # (a, b, 3) in [0, 255]
        alpha = picture[..., 3] / 255  # (a, b) in [0, 1]
        alpha = np.where(alpha >= NOTICEABLE, alpha, 0)
        hull = self.covered(alpha > 0)  # (a, b) bool
        if not hull.any():
            raise UsageError(
                f"nothing of the decoy can be seen at {side} pixels: "
                "raise its size or its picture's alpha"
            )
        height, width = made.footprint.shape[1:]
        room = (height - hull.shape[0], width - hull.shape[1])
        margin = round(MARGIN * min(height, width))
        for start in range(0, len(images), BATCH):
            part = images[start : start + BATCH]
            rngs = [generator(self.seed, ids[i]) for i in part]
            corners = [place(self.placement, rng, room, margin) for rng in rngs]
            _, rows, columns = windows(corners, hull.shape)
            window = (torch.from_numpy(part)[:, None, None], rows, columns)
            lay(made.decoyed, window, colour[None], alpha[None] * self.opacity)
            colours, alphas = neutral(self.control, colour, alpha, hull, rngs)
            lay(made.control, window, colours, alphas * self.opacity)
            made.footprint[window] = torch.from_numpy(hull)


def fitted(picture: Image.Image, side: int) -> Image.Image:
    """The picture with its longer side at `side` pixels.

    Pillow weighs RGBA by alpha, so no dark rims appear.
    """
    scale = side / max(picture.size)
    width, height = max(1, round(scale * picture.width)), max(1, round(scale * picture.height))
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def check_choice(option: str, asked: str, known: Sequence[str]) -> None:
    """Raises UsageError unless `asked` is one of the known values of a decoy's option."""
    if asked not in known:
        raise UsageError(f"a decoy's {option} cannot be '{asked}'{did_you_mean(asked, known)}")


def check_share(option: str, share: float) -> None:
    """Raises UsageError unless a decoy's option is a share in (0, 1]."""
    if not 0 < share <= 1:
        raise UsageError(f"a decoy's {option} is a share above 0 and at most 1, not {share}")


def check_pixels(pixels: Tensor, ids: Sequence[str]) -> None:
    """Raises UsageError unless a decoy can go on these: (n, 3, h, w) uint8 and n ids."""
    if not isinstance(pixels, Tensor):
        raise UsageError("a decoy goes on a tensor of pictures: take pixels[:], or some of them")
    if (
        pixels.ndim != 4
        or pixels.shape[1] != 3
        or pixels.dtype != torch.uint8
        or len(ids) != len(pixels)
    ):
        found = f"{len(ids)} ids and {pixels.dtype} pixels of shape {tuple(pixels.shape)}"
        raise UsageError(f"a decoy goes on (n, 3, h, w) uint8 pixels with n ids, not on {found}")


def place(
    placement: str, rng: np.random.Generator, room: tuple[int, int], margin: int
) -> tuple[int, int]:
    """Top and left of a decoy, in pixels.

    Args:
        placement: one of PLACEMENTS.
        rng: of this image.
        room: the height and the width that the decoy leaves free.
        margin: between a corner and the decoy, where there is room for it.
    """
    if placement == "random_position":
        return int(rng.integers(room[0] + 1)), int(rng.integers(room[1] + 1))
    if placement == "centre":
        return room[0] // 2, room[1] // 2
    corner = list(CORNERS)[rng.integers(4)] if placement == "random_corner" else placement
    at_bottom, at_right = CORNERS[corner]
    down, across = min(margin, room[0] // 2), min(margin, room[1] // 2)
    return (room[0] - down if at_bottom else down), (room[1] - across if at_right else across)


def filled(shape: np.ndarray) -> np.ndarray:
    """The shape (a, b) bool with its gaps closed.

    A gap lies between two of the shape's pixels in a row or in a column. So letters become a block:
    a control in the form of the letters would still say what they say.
    """
    closed: np.ndarray = _between(shape, 0) | _between(shape, 1)
    return closed


def without_small_gaps(shape: np.ndarray) -> np.ndarray:
    """The shape (a, b) bool with gaps closed that are up to about a tenth of its longer side.

    So letters become a block, and a frame around the picture stays a frame.
    """
    reach = max(1, round(SMALL * max(shape.shape) / 2))
    wide = np.pad(shape, reach)
    closed = ndimage.binary_closing(wide, np.ones((3, 3), bool), iterations=reach)
    whole: np.ndarray = closed[reach:-reach, reach:-reach] | shape
    return whole


def _between(shape: np.ndarray, axis: int) -> np.ndarray:
    """(a, b) bool: the shape (a, b), and what has pixels of it on both sides along the axis."""
    before = np.logical_or.accumulate(shape, axis)
    behind = np.flip(np.logical_or.accumulate(np.flip(shape, axis), axis), axis)
    between: np.ndarray = before & behind
    return between


def neutral(
    control: str,
    colour: np.ndarray,
    alpha: np.ndarray,
    hull: np.ndarray,
    rngs: Sequence[np.random.Generator],
) -> tuple[np.ndarray, np.ndarray]:
    """The control's colour (n or 1, a, b, 3) and alpha (n or 1, a, b) inside the hull.

    Args:
        control: "grey" is the decoy's mean luminance, flat; "noise" is grey noise of the same mean
            and spread; "scrambled" are the decoy's own pixels in another order for each image, so
            that no one scramble can become a decoy itself.
        colour: of the decoy, (a, b, 3) float32 in [0, 255].
        alpha: of the decoy, (a, b) float32 in [0, 1].
        hull: (a, b) bool, the decoy's footprint.
        rngs: one for each of n images.
    """
    flat = np.where(hull, alpha[hull].mean(), 0).astype(np.float32)[None]
    luminance = (colour @ LUMINANCE)[hull]
    mean = float(np.average(luminance, weights=alpha[hull]))
    if control == "grey":
        return np.full((1, *colour.shape), mean, dtype=np.float32), flat
    colours = np.zeros((len(rngs), *colour.shape), dtype=np.float32)
    if control == "noise":
        spread = float(np.sqrt(np.average((luminance - mean) ** 2, weights=alpha[hull])))
        for each, rng in zip(colours, rngs, strict=True):
            each[hull] = np.clip(rng.normal(mean, spread, (int(hull.sum()), 1)), 0, 255)
        return colours, flat
    alphas = np.zeros((len(rngs), *alpha.shape), dtype=np.float32)
    for i, rng in enumerate(rngs):
        order = rng.permutation(int(hull.sum()))
        colours[i][hull], alphas[i][hull] = colour[hull][order], alpha[hull][order]
    return colours, alphas


def windows(
    corners: Sequence[tuple[int, int]], shape: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Indices (n, 1, 1), (n, a, 1), (n, 1, b) of one window of shape (a, b) in each of n images.

    An image's corner is the top and the left of its window, in pixels.
    """
    at = torch.tensor(corners)  # (n, 2) int64
    rows, columns = at[:, :1] + torch.arange(shape[0]), at[:, 1:] + torch.arange(shape[1])
    return torch.arange(len(at))[:, None, None], rows[:, :, None], columns[:, None, :]


def lay(
    pixels: Tensor, window: tuple[Tensor, Tensor, Tensor], colour: np.ndarray, alpha: np.ndarray
) -> None:
    """Blends a colour into the windows of pixels (n, 3, h, w), in place.

    Args:
        pixels: uint8.
        window: as `windows` gives it, (a, b) pixels in each image.
        colour: (n or 1, a, b, 3) float32 in [0, 255].
        alpha: (n or 1, a, b) in [0, 1], the share of the colour.
    """
    image, rows, columns = window
    share = torch.from_numpy(alpha)[..., None]
    under = pixels[image, :, rows, columns]  # (n, a, b, 3)
    mixed = under + share * (torch.from_numpy(colour) - under)
    pixels[image, :, rows, columns] = mixed.round().to(torch.uint8)
