"""`torchvision:NAME`: the image classifiers of torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shortcut_audit.errors import UsageError
from shortcut_audit.registry import register
from shortcut_audit.subjects.manifest.file import MANIFEST

if TYPE_CHECKING:
    from torch import nn

# Their builders set transform_input where torchvision's weights are asked for, and leave it off
# elsewhere: one state dict makes two functions. No other builder of torchvision or timm makes
# anything depend on whether weights were asked for.
CHANGE_THEIR_INPUT = ("googlenet", "inception_v3")


@register("architecture")
@dataclass(frozen=True)
class Torchvision:
    """Classifiers only: a detector or a segmenter would also download a backbone unasked."""

    def names(self) -> list[str]:
        """What may stand behind the colon, sorted."""
        from torchvision import models

        return list(models.list_models(module=models))

    def fitting(self, name: str, size: int, options: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments that make an architecture of one input size for this one.

        Args:
            name: of the architecture.
            size: the side of the picture in pixels.
            options: the keyword arguments that are given anyway.
        """
        if name.startswith("vit_"):
            return {"image_size": size}
        return {"input_size": (size, size)} if name.startswith("maxvit") else {}

    def build(self, name: str, classes: int, **options: Any) -> nn.Module:
        """A network with random weights: (n, 3, h, w) normalised -> (n, classes) logits.

        Raises:
            UsageError: the architecture is one of two functions, and `options` do not say which.
        """
        from torchvision import models

        if name in CHANGE_THEIR_INPUT:
            if "transform_input" not in options:
                raise UsageError(
                    f"torchvision:{name} answers otherwise with transform_input, "
                    f"which no checkpoint holds; say in {MANIFEST} "
                    "arch_options: {transform_input: true} if its training began with weights=..., "
                    "and false if from scratch"
                )
            # the auxiliary heads are for training alone, and these two architectures warn unless
            # they are told whether to draw their weights
            options = {"aux_logits": False, "init_weights": True, **options}
        network: nn.Module = models.get_model(name, weights=None, num_classes=classes, **options)
        return network
