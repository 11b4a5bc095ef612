"""Convolutions computed as a CPU is quick at, for as long as a network is borrowed.

The sums are the same, in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeGuard

import torch
from torch import Tensor, nn


@contextmanager
def quick_convolutions(network: nn.Module) -> Iterator[None]:
    """Puts a CPU's weights in channels_last, and convolves tiny maps by matrix products.

    Both are undone afterwards. On other devices nothing is done.
    """
    layers = [layer for layer in network.modules() if _on_cpu(layer)]
    kept = [(layer.weight, layer.weight.data) for layer in layers]
    replaced = []
    try:
        for layer in layers:
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
            if _is_plain(layer):
                quick = partial(_convolve, layer, layer.forward)
                layer.forward = quick  # type: ignore[method-assign]
                replaced.append(layer)
        yield
    finally:
        for layer in replaced:
            del layer.forward
        for weight, data in kept:
            weight.data = data


def _on_cpu(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether it is torch's own convolution, no subclass, with its weights on a CPU."""
    return type(layer) is nn.Conv2d and layer.weight.device.type == "cpu"


def _is_plain(layer: nn.Conv2d) -> bool:
    """Whether matrix products may stand in for it: one group, zero padding, its own forward."""
    return layer.groups == 1 and layer.padding_mode == "zeros" and "forward" not in layer.__dict__


def _convolve(layer: nn.Conv2d, convolve: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Convolves x (n, c_in, h, w), by matrix products where the map is tiny.

    Where half the kernel or more would read padding, only the products with pixels are made.
    """
    if 2 * x.shape[-2] * x.shape[-1] > layer.kernel_size[0] * layer.kernel_size[1]:
        return convolve(x)
    left, right, top, bottom = layer._reversed_padding_repeated_twice
    rows = _reads(layer, 0, x.shape[-2], (top, bottom))
    columns = _reads(layer, 1, x.shape[-1], (left, right))
    pixels = x.permute(2, 3, 0, 1).flatten(0, 1).unbind(0)  # h w times (n, c_in)
    taps = layer.weight.permute(2, 3, 1, 0)  # (kh, kw, c_in, c_out)
    outputs = []
    for row in rows:
        for column in columns:
            total = x.new_zeros(len(x), layer.out_channels)
            for tap_h, h in row:
                for tap_w, w in column:
                    total = torch.addmm(total, pixels[h * x.shape[-1] + w], taps[tap_h, tap_w])
            outputs.append(total)
    product = torch.stack(outputs, 1)  # (n, oh ow, c_out)
    product = product if layer.bias is None else product + layer.bias
    return product.view(len(x), len(rows), len(columns), -1).permute(0, 3, 1, 2)


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
