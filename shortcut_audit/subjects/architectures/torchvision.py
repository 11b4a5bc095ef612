"""`torchvision:NAME`: the image classifiers of torchvision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shortcut_audit.registry import register

if TYPE_CHECKING:
    from torch import nn


@register("architecture")
@dataclass(frozen=True)
class Torchvision:
    """Classifiers only: a detector or a segmenter would also download a backbone behind our back."""

    def names(self) -> list[str]:
        """What may stand behind the colon, sorted."""
        from torchvision import models

        return list(models.list_models(module=models))

    def build(self, name: str, classes: int) -> nn.Module:
        """A network with random weights: (n, 3, h, w) normalised -> (n, classes) logits."""
        from torchvision import models

        # These two warn unless told whether to draw their weights; they should.
        options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
        network: nn.Module = models.get_model(name, weights=None, num_classes=classes, **options)
        return network
