"""Convolutions computed as a CPU is quick at, for as long as a network is borrowed.

The sums are the same, in another order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shortcut_audit.evidence.gradients.passes.folding import Joined, folded

FEW = 16  # images or pixels: below, a matrix product is quicker than torch's own convolution
NONE: Joined = MappingProxyType({})


@contextmanager
def quick_convolutions(network: nn.Module, joined: Joined = NONE) -> Iterator[None]:
    """Lets a CPU convolve with weights in channels_last, or by matrix products where it can.

    A batch norm that is `joined` to a convolution is done by the convolution's weights. All is
    undone afterwards; the weights are never touched. On other devices nothing is done.
    """
    replaced: list[nn.Module] = []
    try:
        for layer in [layer for layer in network.modules() if _is_own(layer)]:
            weight, bias, norm = layer.weight, layer.bias, joined.get(layer)
            if norm:
                weight, bias = folded(layer, norm)
                norm.forward = nn.Identity().forward  # type: ignore[method-assign]
                replaced.append(norm)
            weight = weight.detach().contiguous(memory_format=torch.channels_last)
            layer.forward = partial(_convolve, layer, weight, bias)  # type: ignore[method-assign]
            replaced.append(layer)
        yield
    finally:
        for changed in replaced:
            del changed.forward


def _is_own(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether it is torch's own convolution, no subclass, its own forward, on a CPU."""
    own = type(layer) is nn.Conv2d and "forward" not in layer.__dict__
    return own and layer.weight.device.type == "cpu"


def _convolve(layer: nn.Conv2d, weight: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    """Convolves x (n, c_in, h, w), by matrix products where these are quicker.

    They are for kernels of one pixel, and where half the kernel or more would read padding.
    """
    if layer.groups == 1 and layer.padding_mode == "zeros" and x.dim() == 4:
        if _is_pointwise(layer) and min(len(x), x.shape[-2] * x.shape[-1]) <= FEW:
            return _by_product(weight, bias, x)
        if 2 * x.shape[-2] * x.shape[-1] <= layer.kernel_size[0] * layer.kernel_size[1]:
            return _by_taps(layer, weight, bias, x)
    output: Tensor = layer._conv_forward(x, weight, bias)
    return output


def _is_pointwise(layer: nn.Conv2d) -> bool:
    """Whether each output pixel reads the input pixel at its place."""
    no_padding = set(layer._reversed_padding_repeated_twice) == {0}
    return layer.kernel_size == layer.stride == (1, 1) and no_padding


def _by_product(weight: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    """Convolves x (n, c_in, h, w) with a kernel of one pixel, in one matrix product."""
    n, c, h, w = x.shape
    pixels = x.permute(0, 2, 3, 1).reshape(-1, c)
    return _picture(F.linear(pixels, weight.flatten(1), bias).view(n, h, w, -1))


def _by_taps(layer: nn.Conv2d, weight: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    """Convolves x (n, c_in, h, w), making only the products with pixels, none with padding."""
    left, right, top, bottom = layer._reversed_padding_repeated_twice
    rows = _reads(layer, 0, x.shape[-2], (top, bottom))
    columns = _reads(layer, 1, x.shape[-1], (left, right))
    pixels = x.permute(2, 3, 0, 1).flatten(0, 1).unbind(0)  # h w times (n, c_in)
    taps = weight.permute(2, 3, 1, 0)  # (kh, kw, c_in, c_out)
    outputs = []
    for row in rows:
        for column in columns:
            total = x.new_zeros(len(x), layer.out_channels)
            for tap_h, h in row:
                for tap_w, w in column:
                    total = torch.addmm(total, pixels[h * x.shape[-1] + w], taps[tap_h, tap_w])
            outputs.append(total)
    product = torch.stack(outputs, 1)  # (n, oh ow, c_out)
    product = product if bias is None else product + bias
    return _picture(product.view(len(x), len(rows), len(columns), -1))


def _picture(pixels: Tensor) -> Tensor:
    """(n, h, w, c) -> (n, c, h, w), and where autograd sees it no view.

    A hook at a view would not be called any more after an activation has changed it in place.
    """
    picture = pixels.permute(0, 3, 1, 2)
    return picture.clone() if picture.requires_grad else picture


def _reads(
    layer: nn.Conv2d, axis: int, size: int, padding: tuple[int, int]
) -> list[list[tuple[int, int]]]:
    """For each output position along one axis, which kernel position reads which pixel.

    The axis has `size` pixels, and padding before and after them. Kernel positions that read
    padding are left out.
    """
    kernel, stride = layer.kernel_size[axis], layer.stride[axis]
    dilation = layer.dilation[axis]
    before, after = padding
    count = (size + before + after - dilation * (kernel - 1) - 1) // stride + 1
    positions = []
    for start in range(-before, -before + count * stride, stride):
        reads = []
        for tap in range(kernel):
            pixel = start + tap * dilation
            if 0 <= pixel < size:
                reads.append((tap, pixel))
        positions.append(reads)
    return positions
