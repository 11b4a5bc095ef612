"""A borrowed network, made cheap to differentiate with respect to its input, and given back as it
was.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse

from shortcut_audit.errors import UsageError


@contextmanager
def borrowed(network: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients for parameters inside; every module's mode and parameter's flag as
    found outside.
    """
    modes = [(module, module.training) for module in network.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    try:
        network.eval().requires_grad_(False)
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def require_gradient(network: nn.Module, images: Tensor, weights: bool = False) -> None:
    """Sees, on the first of the images (n, 3, h, w), that the logits can be differentiated by the
    image, or by the weights.

    Raises:
        UsageError: they cannot: the forward runs under torch.no_grad, say; names the methods
            that need no gradient.
    """
    if not len(images):
        return
    with borrowed(network), torch.enable_grad():
        network.requires_grad_(weights)
        logits = network(images[:1].detach().clone().requires_grad_(not weights))
    if not logits.requires_grad:
        raise UsageError(
            "the model's answers carry no gradient (its forward runs under torch.no_grad, or detaches them); take what needs "
            "none: masks: {explainer: rise} or {explainer: occlusion}, influence: {method: deletion}"
        )


@contextmanager
def lean(network: nn.Module, images: Tensor) -> Iterator[Callable[[Tensor], Tensor]]:
    """A function images (n, 3, h, w) -> logits (n, k) float32 that equals the network's and costs
    less.

    Batch norms are folded into the convolutions before them, on a copy in channels_last, where the
    network can be traced and the copy agrees with it on `images`; otherwise the network itself
    serves. bf16 only where the device multiplies it in hardware.
    """
    with borrowed(network):
        model = folded(network, images)
        fast, layout = bf16_pays(images.device), fast_layout(model, images)

        def logits(batch: Tensor) -> Tensor:
            # alone an image is multiplied by another routine than in a batch, and rounded otherwise
            if len(batch) == 1:
                return logits(torch.cat([batch, batch]))[:1]
            with torch.autocast(batch.device.type, torch.bfloat16, enabled=fast):
                return model(batch.contiguous(memory_format=layout)).float()  # type: ignore[no-any-return]

        yield logits


def fast_layout(network: nn.Module, images: Tensor) -> torch.memory_format:
    """channels_last, in which most CPUs convolve faster, where the network takes (n, 3, h, w)
    images so.

    One that flattens by `view` cannot.
    """
    try:
        with torch.no_grad():
            network(images[:2].contiguous(memory_format=torch.channels_last))
    # a forward of somebody's own may object in any way; as they are, pictures are judged by the
    # real call
    except Exception:
        return torch.contiguous_format
    return torch.channels_last


def bf16_pays(device: torch.device) -> bool:
    """Whether the device has bf16 matrix units (CUDA from Ampere on, a CPU with AMX); elsewhere
    bf16 is slower.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and torch.cpu._is_amx_tile_supported()


def folded(network: nn.Module, images: Tensor) -> nn.Module:
    """A copy without batch norms that agrees with the network on the images, or else the network
    itself.
    """
    hooked = any(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks
        for module in network.modules()
    )
    if hooked or not len(images):
        return network  # a hook may change the output; a folded copy would lose it
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            traced = fx.symbolic_trace(copy.deepcopy(network))
            model: nn.Module = fuse(traced, inplace=True).to(memory_format=torch.channels_last)
            model.eval().requires_grad_(False)
            expected, found = network(images[:2]), model(images[:2])
    except Exception:  # a network that cannot be copied or traced still works, as it is
        return network
    return (
        model
        if torch.allclose(expected, found, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
        else network
    )
