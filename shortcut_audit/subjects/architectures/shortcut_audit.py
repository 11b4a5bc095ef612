"""`shortcut_audit:NAME`: architectures of our own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shortcut_audit.registry import register

if TYPE_CHECKING:
    from torch import nn


@register("architecture")
@dataclass(frozen=True)
class ShortcutAudit:
    """`shortcut_audit:small_resnet`, for demonstrations and tests on 64-pixel pictures."""

    def names(self) -> list[str]:
        """What may stand behind the colon, sorted."""
        return ["small_resnet"]

    def build(self, name: str, classes: int, **options: Any) -> nn.Module:
        """A network with random weights: (n, 3, h, w) normalised -> (n, classes) logits."""
        from shortcut_audit.subjects.loading.small_resnet import SmallResnet

        return SmallResnet(classes, **options)
