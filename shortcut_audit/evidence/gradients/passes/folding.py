"""Batch norms that a convolution's weights can do along, found by watching one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from shortcut_audit.evidence.gradients.passes.calls import tensors_in

Joined = Mapping[nn.Module, nn.BatchNorm2d]  # convolution -> the batch norm of what it gives
# what a call gives that tells a tensor's kind and not its numbers
KIND = (int, torch.Size, torch.dtype, torch.device, torch.layout)


class Joins(TorchFunctionMode):
    """While it is entered, notes which batch norm sees what a convolution gives, and who else."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[nn.Module] = Counter()
        self.made: dict[int, tuple[nn.Module, Tensor]] = {}  # by the id of what was made
        self.norms: dict[int, nn.BatchNorm2d] = {}  # by the id of what they were given
        self.uses: Counter[int] = Counter()  # calls that were given a tensor of this id

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Calls the function, and counts the uses of its tensors' numbers."""
        result = func(*args, **kwargs or {})
        if not isinstance(result, KIND):
            self.uses.update(id(each) for each in tensors_in((args, kwargs)))
        return result

    def called(self, layer: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        """Notes the call of a layer: a forward hook."""
        self.calls[layer] += 1
        if isinstance(layer, nn.BatchNorm2d):
            self.norms[id(arguments[0])] = layer
            return
        self.made[id(output)] = layer, output  # as long as it lives, no other has its id
        del self.uses[id(output)]

    def found(self) -> Joined:
        """Gives the pairs, each called once, and nothing else sees what goes between the two."""
        joined = {}
        for key, (layer, _) in self.made.items():
            norm = self.norms.get(key)
            if norm and self.uses[key] == self.calls[layer] == self.calls[norm] == 1:
                joined[layer] = norm
        return joined


@contextmanager
def joins(network: nn.Module, apart: Collection[nn.Module]) -> Iterator[Joins]:
    """Watches the network's passes for batch norms that could be folded into convolutions.

    Layers that are to be kept `apart`, that a hook is at, or whose forward is not their class's
    own are left out.
    """
    handles, watching = [], Joins()
    try:
        for layer in network.modules():
            if layer not in apart and _is_own(layer):
                handles.append(layer.register_forward_hook(watching.called))
        with watching:
            yield watching
    finally:
        for handle in handles:
            handle.remove()


def _is_own(layer: nn.Module) -> bool:
    """Whether it is torch's own convolution or batch norm in eval mode, and nothing is at it."""
    changed = layer._forward_hooks or layer._forward_pre_hooks or "forward" in layer.__dict__
    if type(layer) is nn.BatchNorm2d:
        return not (changed or layer.training or layer.running_var is None)
    return type(layer) is nn.Conv2d and not changed


def folded(layer: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Gives the weight and the bias of the convolution that does the batch norm along."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale, shift = scale_and_shift(
        norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.eps
    )
    bias = shift if layer.bias is None else shift + scale * layer.bias
    return layer.weight * scale[:, None, None, None], bias


def scale_and_shift(
    mean: Tensor, variance: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    """Gives a batch norm in eval mode as x * scale + shift, each (c,)."""
    scale = (variance + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    shift = -mean * scale
    return scale, shift if bias is None else shift + bias
