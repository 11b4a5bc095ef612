"""Grad-CAM: a layer's feature maps, each weighted by the mean slope of the class's logit over it.

Selvaraju et al. 2017. Maps may lie in an output in three ways: (n, c, h, w); (n, h, w, c), as in a
Swin; and as tokens (n, some of the whole image and h * w, c), as in a ViT.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.evidence.gradients.layers_and_scalars import inner_model
from shortcut_audit.evidence.lent_network import borrowed, require_gradient
from shortcut_audit.evidence.masks.attribution import Report, joined, mapped
from shortcut_audit.registry import register

BESIDE = 8  # tokens at most that stand for the whole image: class, distillation, registers


@register("explainer")
@dataclass(frozen=True)
class GradCam:
    """The positive part of the sum, drawn larger bilinearly; no finer than the layer's maps."""

    # its name in the model; empty: the last that has places on which the class's logit depends
    layer: str = ""
    batch: PositiveInt = 32  # images; halved when memory runs out

    def explain(
        self,
        network: nn.Module,
        images: Tensor,
        targets: Tensor,
        area: float,
        report: Report | None = None,
    ) -> Tensor:
        """Gives saliency (n, h, w) float32 in [0, 1]; the area plays no part.

        Raises:
            UsageError: the network has no such layer, or none with places.
        """
        if not len(images):
            return joined([], images)
        maps = spatial_layers(network, images[:2])
        if not maps:
            raise UsageError(
                "grad_cam needs a layer with feature maps (n, c, h, w), (n, h, w, c) or tokens, "
                "and this network has none; use extremal"
            )
        if self.layer and self.layer not in maps:
            hint = did_you_mean(self.layer, list(maps))
            raise UsageError(f"no layer with feature maps is called '{self.layer}'{hint}")
        layer = maps[self.layer or _last_felt(maps, network, images[:2], targets[:2])]
        return mapped(partial(cam, layer), network, images, targets, self.batch, report)


def _last_felt(
    maps: Mapping[str, nn.Module], network: nn.Module, images: Tensor, targets: Tensor
) -> str:
    """The last layer on whose places the logits depend: behind it only a class token may count."""
    names = list(maps)
    require_gradient(network, images)
    with borrowed(network), torch.enable_grad():
        asked = images.detach().requires_grad_()
        for name in reversed(names):
            if bool(_maps_and_slopes(maps[name], network, asked, targets)[1].any()):
                return name
    return names[-1]


def cam(layer: nn.Module, network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Gives the ReLU of the sum over channels of mean slope * map, (n, h, w) >= 0.

    The images must require gradients.
    """
    maps, slopes = _maps_and_slopes(layer, network, images, targets)
    found = (slopes.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True).relu()
    return F.interpolate(found, size=images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]


def _maps_and_slopes(
    layer: nn.Module, network: nn.Module, images: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """A layer's maps (n, c, rows, columns), and the slope of each image's logit by them."""
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        seen[:] = [output]
        return output.clone()  # which what follows may change in place

    handle = layer.register_forward_hook(keep)
    try:
        logits = network(images).gather(1, targets[:, None]).sum()
    finally:
        handle.remove()
    (slope,) = torch.autograd.grad(logits, seen, allow_unused=True)
    slope = torch.zeros_like(seen[0]) if slope is None else slope
    maps, slopes = arranged(seen[0], images), arranged(slope, images)
    assert maps is not None
    assert slopes is not None
    return maps.detach(), slopes


def arranged(output: Tensor, images: Tensor) -> Tensor | None:
    """Gives the maps (n, c, rows, columns) in a layer's output, or None where it has no places."""
    if output.dim() not in (3, 4) or len(output) != len(images):
        return None
    sides = images.shape[-2] / images.shape[-1]
    if output.dim() == 3:
        rows, columns = _grid(output.shape[1], sides)
        tokens = output[:, output.shape[1] - rows * columns :]
        output = tokens.reshape(len(output), rows, columns, -1).movedim(-1, 1) if rows else output
    elif _distance(output.shape[1:3], sides) < _distance(output.shape[2:4], sides):
        output = output.permute(0, 3, 1, 2)
    return output if output.dim() == 4 and output.shape[2] * output.shape[3] > 1 else None


def _distance(shape: Sequence[int], sides: float) -> float:
    """How far a map's proportions are from the image's."""
    return abs(math.log(shape[0] / shape[1] / sides))


def _grid(tokens: int, sides: float) -> tuple[int, int]:
    """Rows and columns of the image's proportions that tokens make, beside a few more; or 0, 0."""
    for more in range(BESIDE + 1):
        rows = round(math.sqrt(max(tokens - more, 0) * sides))
        columns = round(rows / sides)
        if rows * columns == tokens - more > 1:
            return rows, columns
    return 0, 0


def spatial_layers(network: nn.Module, images: Tensor) -> dict[str, nn.Module]:
    """Gives the layers whose output has more than one place, by name, in the order they end in.

    None has more places than the first: tokens by channels, inside an attention, only look so.
    """
    found: dict[str, nn.Module] = {}
    most: list[int] = []

    def note(name: str, module: nn.Module, _inputs: Any, output: Any) -> None:
        maps = arranged(output, images) if isinstance(output, Tensor) else None
        if maps is None:
            return
        most.append(maps.shape[2] * maps.shape[3])
        if most[-1] <= most[0]:
            found.pop(name, None)  # a layer that is called again ends later
            found[name] = module

    hooks = []
    for name, module in inner_model(network).named_modules():
        if name:
            hooks.append(module.register_forward_hook(partial(note, name)))
    try:
        with borrowed(network), torch.no_grad():
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return found
