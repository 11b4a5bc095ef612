"""Quicker convolutions are the same convolutions, and the network gets its own back."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from shortcut_audit.evidence.gradients.passes.convolutions import quick_convolutions


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilation=st.integers(1, 2),
    same=st.booleans(),
    bias=st.booleans(),
)
def test_tiny_maps_give_the_same_output_and_gradient(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: int,
    same: bool,
    bias: bool,
) -> None:
    if same:  # torch's own warning about even kernels is not at issue
        layer = nn.Conv2d(3, 4, (kernel[0] | 1, kernel[1] | 1), 1, "same", dilation, bias=bias)
    else:
        reach = [dilation * (k - 1) for k in kernel]
        layer = nn.Conv2d(3, 4, kernel, stride, (reach[0], reach[1]), dilation, bias=bias)
    layer = layer.double().requires_grad_(False)
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    expected = layer(x)
    seed = torch.randn_like(expected)
    with quick_convolutions(layer):
        found = layer(x)
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(output, x, seed)[0] for output in (found, expected)]
    torch.testing.assert_close(*gradients)


def test_tiny_maps_do_take_the_other_path() -> None:
    """The law above would hold if nothing ever changed: here the layer's own convolution must not
    run.
    """
    layer = nn.Conv2d(2, 2, 3, padding=1)
    x = torch.randn(1, 2, 2, 2)
    expected = layer(x)
    with quick_convolutions(layer):
        layer._conv_forward = None  # type: ignore[method-assign, assignment]
        torch.testing.assert_close(layer(x), expected)
        with pytest.raises(TypeError):
            layer(torch.randn(1, 2, 9, 9))
        del layer._conv_forward


@pytest.mark.parametrize("fails", [False, True])
def test_the_network_gets_back_its_own_weights_and_forward(fails: bool) -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.Conv2d(3, 4, 3, groups=1, padding_mode="reflect", padding=1)
    )
    # a forward that somebody else patched stays
    own = network[0].forward = partial(nn.Conv2d.forward, network[0])
    before = [(p.data_ptr(), p.stride()) for p in network.parameters()]
    with pytest.raises(KeyError) if fails else quick_convolutions(network):
        if fails:
            with quick_convolutions(network):
                assert "forward" in network[1].__dict__
                raise KeyError
    assert before == [(p.data_ptr(), p.stride()) for p in network.parameters()]
    assert network[0].__dict__["forward"] is own
    assert "forward" not in network[1].__dict__
