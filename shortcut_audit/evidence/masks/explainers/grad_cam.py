"""Grad-CAM: a layer's feature maps, each weighted by the mean slope of the class's logit over it.

Selvaraju et al. 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from captum.attr import LayerGradCam
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.evidence.gradients.layers_and_scalars import inner_model
from shortcut_audit.evidence.lent_network import borrowed
from shortcut_audit.evidence.masks.attribution import Report, joined, mapped
from shortcut_audit.registry import register


@register("explainer")
@dataclass(frozen=True)
class GradCam:
    """The positive part of the sum, drawn larger bilinearly; no finer than the layer's maps."""

    layer: str = ""  # its name in the model; empty: the last whose output still has places
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
                "grad_cam needs a layer with feature maps (n, c, h, w), and this network has none; "
                "use extremal"
            )
        if self.layer and self.layer not in maps:
            hint = did_you_mean(self.layer, list(maps))
            raise UsageError(f"no layer with feature maps is called '{self.layer}'{hint}")
        layer = maps[self.layer or list(maps)[-1]]
        return mapped(partial(cam, layer), network, images, targets, self.batch, report)


def cam(layer: nn.Module, network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Gives the ReLU of the sum over channels of mean slope * map, (n, h, w) >= 0."""
    # (n, 1, rows, columns)
    found = LayerGradCam(network, layer).attribute(images, targets, relu_attributions=True)
    return F.interpolate(found, size=images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]


def spatial_layers(network: nn.Module, images: Tensor) -> dict[str, nn.Module]:
    """Gives the layers whose output has more than one place, by name, in the order they end in."""
    found: dict[str, nn.Module] = {}

    def note(name: str, module: nn.Module, _inputs: Any, output: Any) -> None:
        if not isinstance(output, Tensor) or output.dim() != 4:
            return
        if output.shape[2] * output.shape[3] > 1:
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
