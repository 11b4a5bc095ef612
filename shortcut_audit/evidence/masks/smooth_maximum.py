"""Smooth masks from a grid of cells: the smooth maximum of the thesis's section 2.6.1.

It is taken on the grid, or exactly at every pixel. A cell is `step` pixels wide and the kernel's
sigma is three cells, at every image size (7 and 21 px at 224, 2 and 6 at 64), so the grid has about
32 x 32 cells and the smooth maximum on it is the same for all sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

REACH = 4  # cells on each side of a window of 9 x 9
SIGMA = 3.0  # cells
TEMPERATURE = 20.0
SIDE_IN_CELLS = 32


def kernel(distance: Tensor) -> Tensor:
    """Gives exp(-2 * max(0, d / sigma - 1/2)^2) for distances d in cells.

    It is flat up to half a sigma, then a Gaussian.
    """
    return torch.exp(-2 * (distance / SIGMA - 0.5).clamp(min=0) ** 2)


@dataclass(frozen=True)
class Grid:
    """The cells of an image of h x w pixels.

    Beyond the border the cells go on in a mirror, so that every window is whole and no place is
    favoured. With no cells there, or with free ones, a uniform mask would be higher at the border
    or feel less of the area's pull there, and masks would end up in the corners.
    """

    height: int
    width: int

    @property
    def step(self) -> int:
        """The width of a cell in pixels."""
        return max(1, round(min(self.height, self.width) / SIDE_IN_CELLS))

    @property
    def shape(self) -> tuple[int, int]:
        """The number of cells down and across; the last ones may reach beyond the image."""
        return math.ceil(self.height / self.step), math.ceil(self.width / self.step)

    def coarse(self, cells: Tensor) -> Tensor:
        """Takes the smooth maximum at each cell's centre.

        m(u) = sum_v k a * softmax_v(20 k a) over the 9 x 9 cells v around u. Cells at one distance
        share their exponential, so 13 maps are exponentiated in place of 81.

        Args:
            cells: (n, rows, columns) in [0, 1], the auxiliary mask a.

        Returns:
            (n, rows, columns) in [0, 1].
        """
        coarse: Tensor = _SmoothMaximum.apply(_mirrored(cells))
        return coarse

    def blocks(self, cells: Tensor) -> Tensor:
        """Turns cells (n, rows, columns) into pixels (n, h, w) float32, each cell one square."""
        fine = cells.float().repeat_interleave(self.step, 1).repeat_interleave(self.step, 2)
        return fine[:, : self.height, : self.width]

    def to_cells(self, pixels: Tensor) -> Tensor:
        """Turns pixels (n, h, w) into the mean of each cell, (n, rows, columns)."""
        means = F.avg_pool2d(pixels[:, None], self.step, ceil_mode=True, count_include_pad=False)
        return means[:, 0]

    def exact(self, cells: Tensor) -> Tensor:
        """Takes the smooth maximum at every pixel; differentiable.

        Args:
            cells: (n, rows, columns) in [0, 1].

        Returns:
            (n, h, w) in [0, 1].
        """
        rows, columns = self.shape
        window = 2 * REACH + 1
        values = _pixel_kernel(self.step).to(cells)  # (step * step, 81)
        near = F.unfold(_mirrored(cells)[:, None], window)[:, None]  # (n, 1, 81, rows * columns)
        lines = []
        for line in torch.split(values, self.step):
            lines.append(_smooth_maximum(near * line[:, :, None]))
        fine = torch.stack(lines, dim=1)  # (n, step, step, rows * columns)
        fine = fine.view(len(cells), self.step, self.step, rows, columns).permute(0, 3, 1, 4, 2)
        whole = fine.reshape(len(cells), rows * self.step, columns * self.step)
        return whole[:, : self.height, : self.width]


def _mirrored(cells: Tensor) -> Tensor:
    """(n, rows, columns) -> (n, rows + 8, columns + 8).

    The border is repeated, and so is what lies before it, in reverse.
    """
    rows, columns = _mirror(cells.shape[1]), _mirror(cells.shape[2])
    return cells.index_select(1, rows.to(cells.device)).index_select(2, columns.to(cells.device))


@lru_cache
def _mirror(size: int) -> Tensor:
    """(size + 8,): which cell stands at each place of a line that is mirrored at both ends."""
    place = torch.arange(-REACH, size + REACH) % (2 * size)
    return torch.minimum(place, 2 * size - 1 - place)


def _smooth_maximum(weighted: Tensor) -> Tensor:
    weights = torch.exp(TEMPERATURE * (weighted - 1))
    return (weighted * weights).sum(2) / weights.sum(2)


class _SmoothMaximum(torch.autograd.Function):
    """The smooth maximum at the cells' centres, by sums over shifted maps.

    On a CPU it takes a tenth of the time of a convolution.
    """

    @staticmethod
    def forward(ctx: Any, cells: Tensor) -> Tensor:
        values = _rings()[0].to(cells)[:, None, None, None]  # (rings, 1, 1, 1)
        weighted = cells * values  # (rings, n, rows + 8, columns + 8)
        weights = torch.exp(TEMPERATURE * (weighted - 1))
        # each (n, rows, columns)
        above, below = _window_sums(torch.stack([weighted * weights, weights], dim=1))
        result: Tensor = above / below
        ctx.save_for_backward(values, weighted, weights, below, result)
        return result

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        values, weighted, weights, below, result = ctx.saved_tensors
        share = slope / below
        # each (rings, n, rows + 8, columns + 8)
        alone, mean = _ring_sums(torch.stack([share, share * result])).unbind(1)
        rise = torch.addcmul(alone - TEMPERATURE * mean, weighted, alone, value=TEMPERATURE)
        return torch.sum(values * weights * rise, dim=0)


def _window_sums(maps: Tensor) -> Tensor:
    """(rings, 2, n, rows + 8, columns + 8) -> (2, n, rows, columns).

    Each ring's map is summed over that ring's places in the window.
    """
    columns = maps.shape[-1] - 2 * REACH
    # one for each number of rows away from the centre
    lines = maps.new_zeros(REACH + 1, *maps.shape[1:-1], columns)
    for ring, down, across in _rings()[1]:
        for start in {REACH - across, REACH + across}:
            lines[down] += maps[ring, ..., start : start + columns]
    rows = maps.shape[-2] - 2 * REACH
    parts = []
    for down in range(REACH + 1):
        for start in {REACH - down, REACH + down}:
            parts.append(lines[down, ..., start : start + rows, :])
    return torch.stack(parts).sum(0)


def _ring_sums(maps: Tensor) -> Tensor:
    """The transpose: (2, n, rows, columns) -> (rings, 2, n, rows + 8, columns + 8).

    Each cell gets the sum over one ring around it.
    """
    rows, columns = maps.shape[-2] + 2 * REACH, maps.shape[-1] + 2 * REACH
    padded = F.pad(maps, [2 * REACH] * 4)
    result = maps.new_zeros(len(_rings()[0]), *maps.shape[:-2], rows, columns)
    lines = [padded[..., REACH : REACH + rows, :]]
    for down in range(1, REACH + 1):
        above = padded[..., REACH - down : REACH - down + rows, :]
        below = padded[..., REACH + down : REACH + down + rows, :]
        lines.append(above + below)
    for ring, down, across in _rings()[1]:
        for start in {REACH - across, REACH + across}:
            result[ring] += lines[down][..., start : start + columns]
    return result


@lru_cache
def _rings() -> tuple[Tensor, list[tuple[int, int, int]]]:
    """The kernel's distinct values in a 9 x 9 window, (rings,), and which cells have which.

    The list has the ring's index and the rows and columns off the centre, in one quarter.
    """
    away = torch.arange(REACH + 1, dtype=torch.float64)
    values, place = torch.unique(kernel((away[:, None] ** 2 + away**2).sqrt()), return_inverse=True)
    cells = []
    for down in range(REACH + 1):
        for across in range(REACH + 1):
            cells.append((int(place[down, across]), down, across))
    return values, cells


@lru_cache
def _pixel_kernel(step: int) -> Tensor:
    """(step * step, 81): for each pixel of a cell, the kernel's values at the 81 centres around."""
    pixels = (torch.arange(step, dtype=torch.float64) + 0.5) / step - 0.5  # cells off the centre
    offsets = torch.arange(-REACH, REACH + 1, dtype=torch.float64)
    away = (offsets - pixels[:, None]) ** 2  # (step, 9)
    return kernel((away[:, None, :, None] + away[None, :, None, :]).sqrt()).reshape(step * step, -1)
