"""Guided backpropagation: the gradient, but each ReLU lets only positive slopes back.

Springenberg et al. 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from shortcut_audit.evidence.masks.attribution import Report, gradient_size, mapped
from shortcut_audit.registry import register

IN_PLACE = {torch.relu_, Tensor.relu_}
RELUS = {torch.relu, Tensor.relu, F.relu, *IN_PLACE}


@register("explainer")
@dataclass(frozen=True)
class GuidedBackprop:
    """The guided gradient's magnitude, the greatest of the three channels.

    In a network without ReLUs it is the gradient's. Laws: it equals captum's where captum sees
    every ReLU; a ReLU counts as a module, as a function, in place and used twice.
    """

    batch: PositiveInt = 32  # images; halved when memory runs out

    def explain(
        self,
        network: nn.Module,
        images: Tensor,
        targets: Tensor,
        area: float,
        report: Report | None = None,
    ) -> Tensor:
        """Gives saliency (n, h, w) float32 in [0, 1]; the area plays no part."""

        def guided(model: nn.Module, some: Tensor, of: Tensor) -> Tensor:
            with _GuidedReLUs():
                return gradient_size(model, some, of)

        return mapped(guided, network, images, targets, self.batch, report)


class _GuidedReLUs(TorchFunctionMode):
    """Inside, every ReLU that is called is a guided one; the network itself is not touched."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func not in RELUS:
            return func(*args, **kwargs)
        if "input" in kwargs:
            args = (kwargs.pop("input"), *args)
        guided = _GuidedReLU.apply(args[0])
        in_place = func in IN_PLACE or any((*args[1:], *kwargs.values()))
        return args[0].copy_(guided) if in_place else guided


class _GuidedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        result = values.clamp(min=0)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        (result,) = ctx.saved_tensors
        guided: Tensor = slope.clamp(min=0) * (result > 0)
        return guided
