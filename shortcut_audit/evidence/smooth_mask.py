"""Smooth masks from a grid of cells: the smooth maximum of section 2.6.1, on the grid or exactly at every pixel.

A cell is `step` pixels wide and the kernel's sigma is three cells, at every image size (7 and 21 px at 224, 2 and 6 at 64), so
the grid has about 32 x 32 cells and the smooth maximum on it is the same for all sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

REACH = 4  # cells on each side of a window of 9 x 9
SIGMA = 3.0  # cells
TEMPERATURE = 20.0
SIDE_IN_CELLS = 32


def kernel(distance: Tensor) -> Tensor:
    """exp(-2 * max(0, d / sigma - 1/2)^2), d in cells: flat up to half a sigma, then a Gaussian."""
    return torch.exp(-2 * (distance / SIGMA - 0.5).clamp(min=0) ** 2)


@dataclass(frozen=True)
class Grid:
    """The cells of an image of h x w pixels.

    The auxiliary mask has a margin of four cells around the image, so that every window is whole: without it a uniform mask
    would be higher in the corners, and the search would be drawn there.
    """

    height: int
    width: int

    @property
    def step(self) -> int:
        """Pixels a cell is wide."""
        return max(1, round(min(self.height, self.width) / SIDE_IN_CELLS))

    @property
    def shape(self) -> tuple[int, int]:
        """Cells down and across; the last ones may stick out of the image."""
        return math.ceil(self.height / self.step), math.ceil(self.width / self.step)

    def ones(self, like: Tensor) -> Tensor:
        """An auxiliary mask of ones for each of `like`'s n images: (n, rows + 8, columns + 8)."""
        rows, columns = self.shape
        return like.new_ones(len(like), rows + 2 * REACH, columns + 2 * REACH)

    def coarse(self, cells: Tensor) -> Tensor:
        """The smooth maximum at each cell's centre.

        m(u) = sum_v k a * softmax_v(20 k a) over the 9 x 9 cells v around u. Taps at one distance share their
        exponential, so 13 maps are exponentiated in place of 81.

        Args:
            cells: (n, rows + 8, columns + 8) in [0, 1], the auxiliary mask a.

        Returns:
            (n, rows, columns) in [0, 1].
        """
        values, taps = (part.to(cells) for part in _rings())  # (rings,), (1, rings, 9, 9)
        weighted = cells[:, None] * values[:, None, None]  # (n, rings, rows + 8, columns + 8)
        weights = torch.exp(TEMPERATURE * (weighted - 1))
        both = F.conv2d(torch.cat([weighted * weights, weights]), taps)[:, 0]
        above, below = both.chunk(2)
        return above / below

    def to_pixels(self, coarse: Tensor) -> Tensor:
        """Cells (n, rows, columns) -> pixels (n, h, w), bilinearly between the cells' centres."""
        fine = F.interpolate(coarse[:, None], scale_factor=self.step, mode="bilinear", align_corners=False)[:, 0]
        return fine[:, : self.height, : self.width]

    def to_cells(self, pixels: Tensor) -> Tensor:
        """Pixels (n, h, w) -> the mean of each cell (n, rows, columns)."""
        return F.avg_pool2d(pixels[:, None], self.step, ceil_mode=True, count_include_pad=False)[:, 0]

    def exact(self, cells: Tensor) -> Tensor:
        """The smooth maximum at every pixel: (n, rows + 8, columns + 8) -> (n, h, w) in [0, 1]; differentiable."""
        rows, columns = self.shape
        window = 2 * REACH + 1
        values = _pixel_kernel(self.step).to(cells)  # (step * step, 81)
        near = F.unfold(cells[:, None], window)[:, None]  # (n, 1, 81, rows * columns)
        lines = [_smooth_maximum(near * line[:, :, None]) for line in torch.split(values, self.step)]
        fine = torch.stack(lines, dim=1)  # (n, step, step, rows * columns)
        fine = fine.view(len(cells), self.step, self.step, rows, columns).permute(0, 3, 1, 4, 2)
        return fine.reshape(len(cells), rows * self.step, columns * self.step)[:, : self.height, : self.width]


def _smooth_maximum(weighted: Tensor) -> Tensor:
    weights = torch.exp(TEMPERATURE * (weighted - 1))
    return (weighted * weights).sum(2) / weights.sum(2)


@lru_cache
def _rings() -> tuple[Tensor, Tensor]:
    """The kernel's distinct values in a 9 x 9 window, (rings,), and where each stands, (1, rings, 9, 9)."""
    offsets = torch.arange(-REACH, REACH + 1, dtype=torch.float64)
    values, place = torch.unique(kernel((offsets[:, None] ** 2 + offsets**2).sqrt()), return_inverse=True)
    taps = F.one_hot(place, len(values)).permute(2, 0, 1)[None]
    return values, taps


@lru_cache
def _pixel_kernel(step: int) -> Tensor:
    """(step * step, 81): for each pixel of a cell, the kernel's values at the 81 centres around."""
    pixels = (torch.arange(step, dtype=torch.float64) + 0.5) / step - 0.5  # cells off the centre
    offsets = torch.arange(-REACH, REACH + 1, dtype=torch.float64)
    away = (offsets - pixels[:, None]) ** 2  # (step, 9)
    return kernel((away[:, None, :, None] + away[None, :, None, :]).sqrt()).reshape(step * step, -1)
