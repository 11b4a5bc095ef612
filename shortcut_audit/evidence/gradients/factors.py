"""Inner products of per-image weight gradients from a layer's input and output gradient, without
the gradients.

A layer's gradient for one image is a sum over positions of (output gradient) x (input). The inner
product of two images' gradients follows from two small Gram matrices over positions, or from the
gradients themselves, whichever is cheaper for the shape; both are exact. Factors of a few images at
a time meet with `dots` and know their own `squares`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# what one element of an element-wise pass costs, in multiply-adds of a matrix product
ELEMENTWISE = 6
ROWS = 1 << 23  # numbers in one chunk of materialised gradients
PAIRS = 1 << 19  # numbers in one chunk of a Gram matrix: three of them fit a core's cache


class Factor(Protocol):
    """The gradients of n images with respect to one layer, in some exact form."""

    def dots(self, other: Any, /) -> Tensor:
        """Inner products with another factor of the same layer and form: (n, n of the other)."""

    def squares(self) -> Tensor:
        """Squared norms: (n,)."""


@dataclass(frozen=True)
class Rows:
    """The gradients themselves."""

    rows: Tensor  # (n, p)

    def dots(self, other: Rows) -> Tensor:
        return self.rows @ other.rows.T

    def squares(self) -> Tensor:
        return torch.einsum("np,np->n", self.rows, self.rows)


@dataclass(frozen=True)
class Shift:
    """A kernel position: which sub-grid of the input it reads, and how far that is from the
    output's own position.
    """

    grid: int
    down: int
    right: int


@dataclass(frozen=True)
class Positions:
    """Output gradients and input pixels, positions first, so that sums over positions run along
    whole rows of images.

    <dW_i, dW_j> = sum over output positions s, t of <g_i[s], g_j[t]> * sum over shifts of <x_i[s +
    shift], x_j[t + shift]>. Strided convolutions read one sub-grid of the input for each parity.
    """

    gradients: Tensor  # (oh, ow, n, c_out)
    grids: tuple[Tensor, ...]  # each (gh, gw, n, c_in)
    shifts: tuple[Shift, ...]

    def dots(self, other: Positions) -> Tensor:
        inner = [_gram(own, their) for own, their in zip(self.grids, other.grids, strict=True)]
        return self._sum(_gram(self.gradients, other.gradients), inner)

    def squares(self) -> Tensor:
        return self._sum(_own_gram(self.gradients), [_own_gram(grid) for grid in self.grids])[0]

    def _sum(self, outer: Tensor, inner: list[Tensor]) -> Tensor:
        """outer (oh, ow, q, oh, ow, m), inner (gh, gw, q, gh, gw, m) each -> (q, m)."""
        size = outer.shape[:2]
        if len(self.shifts) == 1 and inner[0].shape == outer.shape:
            return outer.mul_(inner[0]).sum((0, 1, 3, 4))
        total = torch.zeros_like(outer)
        for shift in self.shifts:
            gram = inner[shift.grid]
            to_h, from_h = _overlap(size[0], gram.shape[0], shift.down)
            to_w, from_w = _overlap(size[1], gram.shape[1], shift.right)
            total[to_h, to_w, :, to_h, to_w] += gram[from_h, from_w, :, from_h, from_w]
        return outer.mul_(total).sum((0, 1, 3, 4))


def _overlap(size: int, available: int, shift: int) -> tuple[slice, slice]:
    """Output positions that read inside the grid, and where they read."""
    first, last = max(0, -shift), max(0, -shift, min(size, available - shift))
    return slice(first, last), slice(first + shift, last + shift)


def _gram(a: Tensor, b: Tensor) -> Tensor:
    """(h, w, q, c) and (h, w, m, c) -> (h, w, q, h, w, m), each position of each with each of the
    other.
    """
    product = a.reshape(-1, a.shape[-1]) @ b.reshape(-1, b.shape[-1]).T
    return product.view(*a.shape[:3], *b.shape[:3])


def _own_gram(a: Tensor) -> Tensor:
    """(h, w, n, c) -> (h, w, 1, h, w, n): each position with each of the same image."""
    h, w, n, c = a.shape
    flat = a.reshape(h * w, n, c)
    product = flat.permute(1, 0, 2) @ flat.permute(1, 2, 0)  # (n, hw, hw)
    return product.permute(1, 2, 0).contiguous().view(h, w, 1, h, w, n)


class Form(Protocol):
    """How one layer's factors are made, a few images at a time to keep memory small."""

    @property
    def chunk(self) -> int:
        """How many images at a time."""

    def factors(self, x: Tensor, g: Tensor) -> tuple[Factor, ...]:
        """Input x (n, ...) and output gradient g (n, ...) of the layer -> its factors."""


@dataclass(frozen=True)
class NormForm:
    """Scale and shift of a normalisation: gradients of 2c numbers, made directly."""

    layer: nn.Module
    chunk: int = 1 << 30

    def factors(self, x: Tensor, g: Tensor) -> tuple[Factor, ...]:
        layer = self.layer
        if isinstance(layer, nn.LayerNorm):
            scaled = F.layer_norm(x, layer.normalized_shape, None, None, layer.eps) * g
            shape = (len(x), -1, int(torch.tensor(layer.normalized_shape).prod()))
            scale, shift = scaled.reshape(shape).sum(1), g.reshape(shape).sum(1)
        else:
            shape = (len(x), x.shape[1], -1)
            scale, shift = (normalised(layer, x) * g).reshape(shape).sum(2), g.reshape(shape).sum(2)
        return (Rows(scale), Rows(shift)) if layer.bias is not None else (Rows(scale),)


def normalised(layer: nn.Module, x: Tensor) -> Tensor:
    """The input as BatchNorm (eval) or GroupNorm see it before scale and shift."""
    if isinstance(layer, nn.GroupNorm):
        return F.group_norm(x, layer.num_groups, None, None, layer.eps)
    assert isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
    return F.batch_norm(x, layer.running_mean, layer.running_var, None, None, False, 0.0, layer.eps)


@dataclass(frozen=True)
class Geometry:
    """Where a layer's output positions read its input."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]  # top and left
    groups: int


def as_picture(layer: nn.Module, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor, Geometry]:
    """A linear layer over tokens is a 1 x 1 convolution over a picture of one column; unusual
    padding is written out.
    """
    if isinstance(layer, nn.Linear):
        columns = [each.reshape(len(x), -1, each.shape[-1]).mT[..., None] for each in (x, g)]
        return columns[0], columns[1], Geometry((1, 1), (1, 1), (1, 1), (0, 0), 1)
    assert isinstance(layer, nn.Conv2d)
    left, right, top, bottom = layer._reversed_padding_repeated_twice
    if layer.padding_mode != "zeros":
        x = F.pad(x, (left, right, top, bottom), mode=layer.padding_mode)
        top = left = 0
    kernel, stride, dilation = (
        (each[0], each[1]) for each in (layer.kernel_size, layer.stride, layer.dilation)
    )
    return x, g, Geometry(kernel, stride, dilation, (top, left), layer.groups)


@dataclass(frozen=True)
class GramForm:
    """Convolution or linear layer through Gram matrices over positions."""

    layer: nn.Module
    chunk: int

    def factors(self, x: Tensor, g: Tensor) -> tuple[Factor, ...]:
        x, g, geometry = as_picture(self.layer, x, g)
        residues, shifts = _shifts(geometry)
        across = [
            x[:, :, top :: geometry.stride[0], left :: geometry.stride[1]] for top, left in residues
        ]
        grids = tuple(each.permute(2, 3, 0, 1).contiguous() for each in across)
        weight = Positions(g.permute(2, 3, 0, 1).contiguous(), grids, shifts)
        return (weight, Rows(g.sum((2, 3)))) if self.layer.bias is not None else (weight,)


def _shifts(geometry: Geometry) -> tuple[list[tuple[int, int]], tuple[Shift, ...]]:
    """The sub-grids (first row, first column) that the kernel reads, and for each kernel position
    its sub-grid and shift.
    """
    axes = []
    for axis in (0, 1):
        starts = [
            at * geometry.dilation[axis] - geometry.padding[axis]
            for at in range(geometry.kernel[axis])
        ]
        axes.append([divmod(start, geometry.stride[axis]) for start in starts])  # (shift, residue)
    residues = sorted({(down[1], right[1]) for down in axes[0] for right in axes[1]})
    shifts = (
        Shift(residues.index((down[1], right[1])), down[0], right[0])
        for down in axes[0]
        for right in axes[1]
    )
    return residues, tuple(shifts)


@dataclass(frozen=True)
class RowForm:
    """Convolution or linear layer with its gradients materialised."""

    layer: nn.Module
    chunk: int

    def factors(self, x: Tensor, g: Tensor) -> tuple[Factor, ...]:
        x, g, geometry = as_picture(self.layer, x, g)
        seen = patches(x, g, geometry)  # (n, groups, c_in / groups * kernel, t)
        rows = g.reshape(len(g), geometry.groups, -1, seen.shape[-1]) @ seen.mT
        weight = Rows(rows.reshape(len(g), -1))
        return (weight, Rows(g.sum((2, 3)))) if self.layer.bias is not None else (weight,)


def patches(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    """What each output position reads: (n, groups, c_in / groups * kernel, t)."""
    need = [
        (g.shape[2 + a] - 1) * geometry.stride[a]
        + (geometry.kernel[a] - 1) * geometry.dilation[a]
        + 1
        for a in (0, 1)
    ]
    (top, left), (h, w) = geometry.padding, x.shape[2:]
    x = F.pad(x, (left, need[1] - left - w, top, need[0] - top - h))
    if geometry.kernel == (1, 1):
        seen = x[:, :, :: geometry.stride[0], :: geometry.stride[1]].flatten(2)
    else:
        seen = F.unfold(x, geometry.kernel, geometry.dilation, 0, geometry.stride)
    return seen.reshape(len(x), geometry.groups, -1, seen.shape[-1])


def unsupported(name: str, layer: nn.Module) -> str | None:
    """Why a layer has no factors, or None. Subclasses may compute something else, so the very class
    is asked for.
    """
    if type(layer) not in (
        nn.Conv2d,
        nn.Linear,
        nn.BatchNorm1d,
        nn.BatchNorm2d,
        nn.LayerNorm,
        nn.GroupNorm,
    ):
        return f"{name} is a {type(layer).__name__}"
    if set(layer._parameters) - {"weight", "bias"}:
        return f"{name} has parameters besides weight and bias"
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and layer.running_mean is None:
        return f"{name} normalises over the batch"
    return None


def cheapest_form(layer: nn.Module, x: Tensor, g: Tensor, queries: int) -> Form:
    """The form that needs the fewest operations for one training image and this many queries."""
    if not isinstance(layer, nn.Conv2d | nn.Linear):
        return NormForm(layer)
    x, g, geometry = as_picture(layer, x[:1], g[:1])
    t, c_out, c_in = g.shape[2] * g.shape[3], g.shape[1], x.shape[1]
    weights = c_out * c_in // geometry.groups * geometry.kernel[0] * geometry.kernel[1]
    residues, shifts = _shifts(geometry)
    grids = [
        len(range(a, x.shape[2], geometry.stride[0]))
        * len(range(b, x.shape[3], geometry.stride[1]))
        for a, b in residues
    ]
    row_cost = weights * (t + queries)
    gram_cost = queries * (
        t * t * (c_out + ELEMENTWISE * (1 + len(shifts)))
        + c_in * sum(size * size for size in grids)
    )
    if geometry.groups > 1 or row_cost < gram_cost:
        return RowForm(
            layer, max(1, ROWS // max(weights, t * c_in * geometry.kernel[0] * geometry.kernel[1]))
        )
    return GramForm(layer, max(1, PAIRS // (max(t, *grids) ** 2 * min(queries, 32))))


def chunks(n: int, size: int) -> Iterator[slice]:
    """0 to n in slices of at most `size`, as even as can be: small last batches are slow."""
    count = -(-n // size)
    return (slice(n * at // count, n * (at + 1) // count) for at in range(count))
