"""`timm:NAME`: the image classifiers of timm, an optional dependency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shortcut_audit.errors import UsageError
from shortcut_audit.registry import register

if TYPE_CHECKING:
    from torch import nn


@register("architecture")
@dataclass(frozen=True)
class Timm:
    """Names as `timm.list_models()` gives them.

    A tag after a dot (`resnet18.a1_in1k`) names weights, and is not part of an architecture's name.
    """

    def names(self) -> list[str]:
        """What may stand behind the colon, sorted.

        Raises:
            UsageError: timm is not installed.
        """
        try:
            import timm
        except ImportError:
            raise UsageError(
                "timm is not installed; run: pip install 'shortcut-audit[timm]'"
            ) from None
        return sorted(timm.list_models())

    def fitting(self, name: str, size: int, options: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments that make an architecture of one input size for this one.

        Args:
            name: of the architecture.
            size: the side of the picture in pixels.
            options: the keyword arguments that are given anyway.
        """
        import timm

        about = timm.get_pretrained_cfg(name)
        if about is None or not about.fixed_input_size:
            return {}
        if options.get("dynamic_img_size"):  # it takes any size, and keeps that of its training
            return {}
        return {} if about.input_size[-2:] == (size, size) else {"img_size": size}

    def build(self, name: str, classes: int, **options: Any) -> nn.Module:
        """A network with random weights: (n, 3, h, w) normalised -> (n, classes) logits."""
        import timm

        network: nn.Module = timm.create_model(
            name, pretrained=False, num_classes=classes, **options
        )
        return network
