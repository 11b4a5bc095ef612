"""Convolutions the way a CPU likes them, for as long as a network is borrowed: the same sums in
another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn


@contextmanager
def quick_convolutions(network: nn.Module) -> Iterator[None]:
    """On a CPU: weights in channels_last, and tiny maps as matrix products; both undone afterwards.
    Elsewhere nothing.
    """
    layers = [
        layer
        for layer in network.modules()
        if type(layer) is nn.Conv2d and layer.weight.device.type == "cpu"
    ]
    kept = [(layer.weight, layer.weight.data) for layer in layers]
    try:
        for layer in layers:
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
            if (
                layer.groups == 1
                and layer.padding_mode == "zeros"
                and "forward" not in layer.__dict__
            ):
                layer.forward = partial(_convolve, layer, layer.forward)  # type: ignore[method-assign]
        yield
    finally:
        for layer in layers:
            if isinstance(getattr(layer.__dict__.get("forward"), "func", None), type(_convolve)):
                del layer.forward
        for weight, data in kept:
            weight.data = data


def _convolve(layer: nn.Conv2d, convolve: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Half the kernel or more would read padding: only the products with pixels are made."""
    if 2 * x.shape[-2] * x.shape[-1] > layer.kernel_size[0] * layer.kernel_size[1]:
        return convolve(x)
    n, (left, right, top, bottom) = len(x), layer._reversed_padding_repeated_twice
    rows = _reads(
        x.shape[-2], layer.kernel_size[0], layer.stride[0], layer.dilation[0], top, bottom
    )
    columns = _reads(
        x.shape[-1], layer.kernel_size[1], layer.stride[1], layer.dilation[1], left, right
    )
    pixels = x.permute(2, 3, 0, 1).flatten(0, 1).unbind(0)  # h w times (n, c_in)
    taps = layer.weight.permute(2, 3, 1, 0)  # (kh, kw, c_in, c_out)
    outputs = []
    for row in rows:
        for column in columns:
            total = x.new_zeros(n, layer.out_channels)
            for tap_h, h in row:
                for tap_w, w in column:
                    total = torch.addmm(total, pixels[h * x.shape[-1] + w], taps[tap_h, tap_w])
            outputs.append(total)
    product = torch.stack(outputs, 1)  # (n, oh ow, c_out)
    product = product if layer.bias is None else product + layer.bias
    return product.view(n, len(rows), len(columns), -1).permute(0, 3, 1, 2)


def _reads(
    size: int, kernel: int, stride: int, dilation: int, before: int, after: int
) -> list[list[tuple[int, int]]]:
    """For each output position along one axis, (kernel position, input position) where the kernel
    reads a pixel.
    """
    count = (size + before + after - dilation * (kernel - 1) - 1) // stride + 1
    starts = range(-before, -before + count * stride, stride)
    return [
        [
            (tap, start + tap * dilation)
            for tap in range(kernel)
            if 0 <= start + tap * dilation < size
        ]
        for start in starts
    ]
