"""A layer's input and output gradient -> its factors, in the form that is cheapest for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shortcut_audit.evidence.gradients.factors import Factor, Positions, Rows, Shift, overlap

# what one element of an element-wise pass costs, in multiply-adds of a matrix product
ELEMENTWISE = 6
ROWS = 1 << 22  # numbers in one chunk of materialised gradients
PAIRS = 1 << 19  # numbers in one chunk of a Gram matrix: three of them fit a core's cache


class Form(Protocol):
    """How the factor of a layer's weight is made, a few images at a time to keep memory small."""

    @property
    def chunk(self) -> int:
        """How many images at a time."""

    def factor(self, x: Tensor, g: Tensor) -> Factor:
        """Makes the factor from the layer's input x (n, ...) and output gradient g (n, ...)."""


@dataclass(frozen=True)
class Geometry:
    """Where a layer's output positions read its input."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]  # top and left
    groups: int


def as_picture(layer: nn.Module, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor, Geometry]:
    """Gives a layer's input and output gradient as those of a convolution, and its geometry.

    A linear map over tokens (n, tokens, c) is a 1 x 1 convolution over a picture of one column.
    Padding that is not with zeros is written out.
    """
    if not isinstance(layer, nn.Conv2d):
        return x.mT[..., None], g.mT[..., None], Geometry((1, 1), (1, 1), (1, 1), (0, 0), 1)
    left, right, top, bottom = layer._reversed_padding_repeated_twice
    if layer.padding_mode != "zeros":
        x = F.pad(x, (left, right, top, bottom), mode=layer.padding_mode)
        top = left = 0
    geometry = Geometry(
        kernel=(layer.kernel_size[0], layer.kernel_size[1]),
        stride=(layer.stride[0], layer.stride[1]),
        dilation=(layer.dilation[0], layer.dilation[1]),
        padding=(top, left),
        groups=layer.groups,
    )
    return x, g, geometry


@dataclass(frozen=True)
class GramForm:
    """Convolution or linear layer through Gram matrices over positions."""

    layer: nn.Module
    chunk: int

    def factor(self, x: Tensor, g: Tensor) -> Factor:
        """Makes the positions."""
        x, g, geometry = as_picture(self.layer, x, g)
        residues, shifts = _shifts(geometry)
        grids = []
        for top, left in residues:
            grid = x[:, :, top :: geometry.stride[0], left :: geometry.stride[1]]
            grids.append(grid.permute(2, 3, 0, 1).contiguous())
        return Positions(g.permute(2, 3, 0, 1).contiguous(), tuple(grids), shifts)


def _shifts(geometry: Geometry) -> tuple[list[tuple[int, int]], tuple[Shift, ...]]:
    """The sub-grids that the kernel reads, and each kernel position's sub-grid and shift.

    A sub-grid is (first row, first column).
    """
    read = []  # for each kernel position: shift and first row, shift and first column
    for down in _starts(geometry, 0):
        for right in _starts(geometry, 1):
            read.append((down, right))
    residues = sorted({(down[1], right[1]) for down, right in read})
    shifts = []
    for down, right in read:
        shifts.append(Shift(residues.index((down[1], right[1])), down[0], right[0]))
    return residues, tuple(shifts)


def _starts(geometry: Geometry, axis: int) -> list[tuple[int, int]]:
    """Shift and remainder by the stride of what each kernel position along one axis reads first."""
    starts = []
    for at in range(geometry.kernel[axis]):
        first = at * geometry.dilation[axis] - geometry.padding[axis]
        starts.append(divmod(first, geometry.stride[axis]))
    return starts


@dataclass(frozen=True)
class RowForm:
    """Convolution or linear layer with its gradients materialised."""

    layer: nn.Module
    chunk: int

    def factor(self, x: Tensor, g: Tensor) -> Factor:
        """Makes the gradients."""
        x, g, geometry = as_picture(self.layer, x, g)
        if geometry.groups == x.shape[1] == g.shape[1]:
            return Rows(_depthwise(x, g, geometry).flatten(1))
        seen = patches(x, g, geometry)  # (n, groups, c_in / groups * kernel, t)
        rows = g.reshape(len(g), geometry.groups, -1, seen.shape[-1]) @ seen.mT
        return Rows(rows.reshape(len(g), -1))


def _depthwise(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    """(n, kernel, c): each channel's gradient, whose kernel sees that channel alone."""
    residues, shifts = _shifts(geometry)
    down, right = geometry.stride
    grids = [x[:, :, top::down, left::right] for top, left in residues]
    taps = []
    for shift in shifts:
        grid = grids[shift.grid]
        to_h, from_h = overlap(g.shape[2], grid.shape[2], shift.down)
        to_w, from_w = overlap(g.shape[3], grid.shape[3], shift.right)
        taps.append((g[:, :, to_h, to_w] * grid[:, :, from_h, from_w]).sum((2, 3)))
    return torch.stack(taps, 1)


def patches(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    """Gives what each output position reads: (n, groups, c_in / groups * kernel, t)."""
    (top, left), (h, w) = geometry.padding, x.shape[2:]
    below, right = _needed(g, geometry, 0) - top - h, _needed(g, geometry, 1) - left - w
    x = F.pad(x, (left, right, top, below))
    if geometry.kernel == (1, 1):
        seen = x[:, :, :: geometry.stride[0], :: geometry.stride[1]].flatten(2)
    else:
        seen = F.unfold(x, geometry.kernel, geometry.dilation, 0, geometry.stride)
    return seen.reshape(len(x), geometry.groups, -1, seen.shape[-1])


def _needed(g: Tensor, geometry: Geometry, axis: int) -> int:
    """Pixels along one axis, padding included, that all output positions together read."""
    to_last = (g.shape[2 + axis] - 1) * geometry.stride[axis]
    return to_last + (geometry.kernel[axis] - 1) * geometry.dilation[axis] + 1


def cheapest_form(layer: nn.Module, x: Tensor, g: Tensor, queries: int) -> Form:
    """Gives the form with the fewest operations for a training image and this many queries."""
    x, g, geometry = as_picture(layer, x[:1], g[:1])
    t, c_out, c_in = g.shape[2] * g.shape[3], g.shape[1], x.shape[1]
    kernel = geometry.kernel[0] * geometry.kernel[1]
    weights = c_out * c_in // geometry.groups * kernel
    residues, shifts = _shifts(geometry)
    grids = []  # pixels of each sub-grid
    for top, left in residues:
        rows = len(range(top, x.shape[2], geometry.stride[0]))
        grids.append(rows * len(range(left, x.shape[3], geometry.stride[1])))
    squares = sum(size * size for size in grids)
    row_cost = weights * (t + queries)
    gram_cost = queries * (t * t * (c_out + ELEMENTWISE * (1 + len(shifts))) + c_in * squares)
    if geometry.groups > 1 or row_cost < gram_cost:
        return RowForm(layer, max(1, ROWS // max(weights, t * c_in * kernel)))
    return GramForm(layer, max(1, PAIRS // (max(t, *grids) ** 2 * min(queries, 32))))
