"""Inner products of per-image weight gradients, without making the gradients.

A layer's gradient for one image is a sum over positions of (output gradient) x (input). The inner
product of two images' gradients follows from two small Gram matrices over positions, or from the
gradients themselves, whichever is cheaper for the shape; both are exact. Factors of a few images at
a time give their inner products with other factors (`dots`) and their own squared norms
(`squares`). How they are made from a layer is in `forms`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


class Factor(Protocol):
    """The gradients of n images with respect to one layer, in some exact form."""

    def dots(self, other: Any, /) -> Tensor:
        """Gives the inner products with another factor of the same layer and form.

        Returns:
            (n, n of the other).
        """

    def squares(self) -> Tensor:
        """Gives the squared norms, (n,)."""


@dataclass(frozen=True)
class Rows:
    """The gradients themselves."""

    rows: Tensor  # (n, p)

    def dots(self, other: Rows) -> Tensor:
        """Gives the inner products, (n, n of the other)."""
        return self.rows @ other.rows.T

    def squares(self) -> Tensor:
        """Gives the squared norms, (n,).

        torch.einsum would add up millions of squares one after the other, and lose three digits.
        """
        squares: Tensor = torch.linalg.vecdot(self.rows, self.rows)
        return squares


@dataclass(frozen=True)
class Shift:
    """Which sub-grid of the input a kernel position reads, and how far from the output's place."""

    grid: int
    down: int
    right: int


@dataclass(frozen=True)
class Positions:
    """Output gradients and input pixels, with positions first.

    So sums over positions run along whole rows of images. <dW_i, dW_j> = sum over output positions
    s, t of <g_i[s], g_j[t]> * sum over shifts of <x_i[s + shift], x_j[t + shift]>. Strided
    convolutions read one sub-grid of the input for each remainder of the stride.
    """

    gradients: Tensor  # (oh, ow, n, c_out)
    grids: tuple[Tensor, ...]  # each (gh, gw, n, c_in)
    shifts: tuple[Shift, ...]

    def dots(self, other: Positions) -> Tensor:
        """Gives the inner products, (n, n of the other)."""
        inner = [_gram(own, their) for own, their in zip(self.grids, other.grids, strict=True)]
        return self._sum(_gram(self.gradients, other.gradients), inner)

    def squares(self) -> Tensor:
        """Gives the squared norms, (n,)."""
        return self._sum(_own_gram(self.gradients), [_own_gram(grid) for grid in self.grids])[0]

    def _sum(self, outer: Tensor, inner: list[Tensor]) -> Tensor:
        """outer (oh, ow, q, oh, ow, m), inner (gh, gw, q, gh, gw, m) each -> (q, m)."""
        size = outer.shape[:2]
        if len(self.shifts) == 1 and inner[0].shape == outer.shape:
            return outer.mul_(inner[0]).sum((0, 1, 3, 4))
        total = torch.zeros_like(outer)
        for shift in self.shifts:
            gram = inner[shift.grid]
            to_h, from_h = overlap(size[0], gram.shape[0], shift.down)
            to_w, from_w = overlap(size[1], gram.shape[1], shift.right)
            total[to_h, to_w, :, to_h, to_w] += gram[from_h, from_w, :, from_h, from_w]
        return outer.mul_(total).sum((0, 1, 3, 4))


def overlap(size: int, available: int, shift: int) -> tuple[slice, slice]:
    """Gives the output positions that read inside the grid, and where in it they read.

    They are `size` positions along one axis, on a grid of `available` pixels.
    """
    first, last = max(0, -shift), max(0, -shift, min(size, available - shift))
    return slice(first, last), slice(first + shift, last + shift)


def _gram(a: Tensor, b: Tensor) -> Tensor:
    """(h, w, q, c) and (h, w, m, c) -> (h, w, q, h, w, m): each position with each of the other."""
    product = a.reshape(-1, a.shape[-1]) @ b.reshape(-1, b.shape[-1]).T
    return product.view(*a.shape[:3], *b.shape[:3])


def _own_gram(a: Tensor) -> Tensor:
    """(h, w, n, c) -> (h, w, 1, h, w, n): each position with each of the same image."""
    h, w, n, c = a.shape
    flat = a.reshape(h * w, n, c)
    product = flat.permute(1, 0, 2) @ flat.permute(1, 2, 0)  # (n, hw, hw)
    return product.permute(1, 2, 0).contiguous().view(h, w, 1, h, w, n)


def chunks(n: int, size: int) -> Iterator[slice]:
    """Gives 0 to n in slices of at most `size`, as even as can be: small last batches are slow."""
    count = -(-n // size)
    return (slice(n * at // count, n * (at + 1) // count) for at in range(count))
