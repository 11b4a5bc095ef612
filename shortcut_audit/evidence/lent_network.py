"""A borrowed network, made cheap to differentiate by its input, and given back as it was."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, fx, nn

from shortcut_audit.errors import UsageError


@contextmanager
def borrowed(network: nn.Module) -> Iterator[None]:
    """Puts the network in eval mode, without gradients for parameters, and back afterwards.

    Every module's mode and every parameter's flag are then as they were found.
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
    """Checks that the logits can be differentiated by the image, or else by the weights.

    The first of the images (n, 3, h, w) is used; without images nothing is checked.

    Raises:
        UsageError: they cannot, for example because the forward runs under torch.no_grad; it names
            the methods that need no gradient.
    """
    if not len(images):
        return
    with borrowed(network), torch.enable_grad():
        network.requires_grad_(weights)
        logits = network(images[:1].detach().clone().requires_grad_(not weights))
    if not logits.requires_grad:
        raise UsageError(
            "the model's answers carry no gradient (its forward runs under torch.no_grad, or "
            "detaches them); take what needs none: masks: {explainer: rise} or "
            "{explainer: occlusion}, influence: {method: deletion}"
        )


@contextmanager
def lean(
    network: nn.Module, images: Tensor, bf16: bool = False
) -> Iterator[Callable[[Tensor], Tensor]]:
    """Gives a function from images to logits that equals the network's and costs less.

    It takes (n, 3, h, w) and gives (n, k) float32. Batch norms are folded into the convolutions
    before them, on a copy in channels_last, where the network can be traced and the copy agrees
    with it on `images`; otherwise the network itself is used.

    bf16: a search that goes by gradients bears numbers of 8 bits, where the device multiplies them
        in hardware. Differences of scores do not: an occlusion map would have a few steps.
    """
    with borrowed(network):
        model = folded(network, images)
        fast, layout = bf16 and bf16_pays(images.device), fast_layout(model, images)

        def logits(batch: Tensor) -> Tensor:
            # another routine multiplies an image that is alone in its batch, and rounds otherwise
            if len(batch) == 1:
                return logits(torch.cat([batch, batch]))[:1]
            with torch.autocast(batch.device.type, torch.bfloat16, enabled=fast):
                found: Tensor = model(batch.contiguous(memory_format=layout)).float()
            return found

        yield logits


def fast_layout(network: nn.Module, images: Tensor) -> torch.memory_format:
    """Gives channels_last where the network takes images (n, 3, h, w) in this layout.

    Most CPUs convolve faster in it. A network that flattens by `view` cannot take it.
    """
    try:
        with torch.no_grad():
            network(images[:2].contiguous(memory_format=torch.channels_last))
    # a user's own forward may raise anything here; if it cannot take the images in any layout, the
    # call that follows will say so
    except Exception:
        return torch.contiguous_format
    return torch.channels_last


def bf16_pays(device: torch.device) -> bool:
    """Says whether the device has bf16 matrix units; elsewhere bf16 is slower.

    CUDA has them from Ampere on, and a CPU if it has AMX.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and torch.cpu._is_amx_tile_supported()


def folded(network: nn.Module, images: Tensor) -> nn.Module:
    """Gives a copy without batch norms that agrees with the network on the images.

    Where there is no such copy, it gives the network itself.
    """
    hooked = any(_has_hooks(module) for module in network.modules())
    if hooked or not len(images):
        return network  # a hook may change the output; a folded copy would lose it
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            # its import warns in some versions of torch, which `filterwarnings = error` would raise
            from torch.fx.experimental.optimization import fuse

            traced = fx.symbolic_trace(copy.deepcopy(network))
            model: nn.Module = fuse(traced, inplace=True).to(memory_format=torch.channels_last)
            model.eval().requires_grad_(False)
            expected, found = network(images[:2]), model(images[:2])
    except Exception:  # a network that cannot be copied or traced still works, as it is
        return network
    tolerance = 1e-3 * float(expected.abs().max())
    return model if torch.allclose(expected, found, rtol=1e-3, atol=tolerance) else network


def _has_hooks(module: nn.Module) -> bool:
    """Whether anybody's hook runs when this very module does."""
    forward = module._forward_hooks or module._forward_pre_hooks
    return bool(forward or module._backward_hooks)
