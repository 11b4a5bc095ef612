"""Where a picture shows an attribute -> the picture without it, and with it elsewhere."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from shortcut_audit.errors import UsageError

RIM = 2  # pixels around a place, whose mean colour is its border's
RADIUS = 3  # pixels, of OpenCV's in-painting
STEPS = 8  # places that are tried along each side


def filled_in(pixels: Tensor, where: Tensor, how: str) -> Tensor:
    """Pictures (n, 3, h, w) uint8 in which the place `where` (n, h, w) bool is filled in.

    how: `border`, with the mean colour of the pixels around it; `telea`, with OpenCV's in-painting
        (Telea 2004). Law: outside `where` nothing changes.

    Raises:
        UsageError: `telea` without OpenCV; says how to install it.
    """
    fill = {"border": _border, "telea": _telea}[how]
    filled = pixels.clone()
    for i in range(len(pixels)):
        picture, place = pixels[i].permute(1, 2, 0).numpy(), where[i].numpy()
        if place.any() and not place.all():
            filled[i] = torch.from_numpy(fill(picture, place)).permute(2, 0, 1)
    return filled


def _border(picture: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 with the mean colour of the rim."""
    rim = ndimage.binary_dilation(place, iterations=RIM) & ~place
    filled = picture.copy()
    filled[place] = picture[rim].mean(0).round().astype(np.uint8)
    return filled


def _telea(picture: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 by OpenCV."""
    try:
        import cv2
    except ImportError:
        raise UsageError(
            "OpenCV is not installed, which 'filling: telea' needs; run: "
            "pip install 'shortcut-audit[inpainting]', or leave the filling out"
        ) from None
    found = cv2.inpaint(
        np.ascontiguousarray(picture), place.astype(np.uint8), RADIUS, cv2.INPAINT_TELEA
    )
    filled: np.ndarray = np.where(place[..., None], found, picture).astype(np.uint8)
    return filled


def elsewhere(where: Tensor) -> tuple[Tensor, Tensor]:
    """As large a place elsewhere on each picture, in the same shape.

    It is the place itself, moved as far as it can be without leaving the picture or touching where
    it was. Law: it has as many pixels and none of them, or none at all.

    Args:
        where: (n, h, w) bool.

    Returns:
        (n, h, w) bool, all False where there is no room, and (n, 2) int64 by how much it was moved
        down and right.
    """
    moved, shifts = torch.zeros_like(where), torch.zeros(len(where), 2, dtype=torch.int64)
    for i, place in enumerate(where):
        if place.any() and (shift := _farthest(place)) is not None:
            moved[i] = torch.roll(place, shift, (0, 1))
            shifts[i] = torch.tensor(shift)
    return moved, shifts


def _farthest(place: Tensor) -> tuple[int, int] | None:
    """The longest of the shifts that keep the place on the picture and apart from itself."""
    rows, columns = torch.nonzero(place.any(1)).flatten(), torch.nonzero(place.any(0)).flatten()
    found: list[tuple[int, tuple[int, int]]] = []
    for down in _shifts(int(rows[0]), int(rows[-1]), place.shape[0]):
        for right in _shifts(int(columns[0]), int(columns[-1]), place.shape[1]):
            if not (torch.roll(place, (down, right), (0, 1)) & place).any():
                found.append((down * down + right * right, (down, right)))
    return max(found)[1] if found else None


def _shifts(first: int, last: int, side: int) -> list[int]:
    """Shifts along one side that keep [first, last] inside it."""
    return sorted(set(np.linspace(-first, side - 1 - last, STEPS + 1).astype(int).tolist()))


def pasted(pictures: Tensor, sources: Tensor, where: Tensor, shifts: Tensor) -> Tensor:
    """Pictures (n, 3, h, w) with what the sources show `where`, moved by the shifts (n, 2)."""
    found = pictures.clone()
    for i in range(len(pictures)):
        shift = (int(shifts[i, 0]), int(shifts[i, 1]))
        moved = torch.roll(where[i], shift, (0, 1))
        found[i][:, moved] = torch.roll(sources[i], shift, (1, 2))[:, moved]
    return found
