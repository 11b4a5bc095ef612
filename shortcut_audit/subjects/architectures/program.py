"""`program:NAME`: the file is the network itself, such as `program:onnx`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shortcut_audit import registry
from shortcut_audit.errors import UsageError
from shortcut_audit.registry import register

if TYPE_CHECKING:
    from torch import nn


@register("architecture")
@dataclass(frozen=True)
class Program:
    """Nobody names it: a file of such a format says by itself what it is."""

    def names(self) -> list[str]:
        """The formats whose files hold the network, sorted."""
        known = registry.names("checkpoint")
        return [name for name in known if hasattr(registry.lookup("checkpoint", name), "program")]

    def build(self, name: str, classes: int, **options: Any) -> nn.Module:
        """Raises UsageError: without the file there is nothing to build from."""
        raise UsageError(
            f"'program:{name}' is what a file of that format is, and this file is none: "
            "name the architecture of its weights"
        )
