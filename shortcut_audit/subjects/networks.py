"""arch -> nn.Module: builds a network with random weights, and puts the normalisation inside it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from shortcut_audit import registry
from shortcut_audit.errors import UsageError, did_you_mean


class Normalised(nn.Module):
    """Images (n, 3, h, w) float32 in [0, 1] -> logits (n, k); the architecture's own layers stay reachable under `model`.

    With `order`, output i is the model's output `order[i]`: the columns then follow the data set's classes.
    """

    mean: Tensor  # (1, 3, 1, 1)
    std: Tensor  # (1, 3, 1, 1)
    order: Tensor | None  # (k,) int64

    def __init__(
        self, model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], order: tuple[int, ...] | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("order", None if order is None else torch.tensor(order))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, k)."""
        logits: Tensor = self.model((images - self.mean) / self.std)
        return logits if self.order is None else logits[:, self.order]


def build_architecture(arch: str, classes: int, trust_code: bool = False) -> nn.Module:
    """A network with random weights and `classes` outputs; takes normalised images. Nothing is ever downloaded.

    `arch` is `SOURCE:NAME` for a registered source (torchvision, timm, shortcut_audit), or `package.module:factory`, whose
    `factory(classes)` returns the network; that imports a stranger's code, hence only with `trust_code`.

    Raises:
        UsageError: no such source, name or factory, or code that is not trusted.
    """
    source, colon, name = arch.partition(":")
    sources = registry.names("architecture")
    if not colon or not source or not name:
        raise UsageError(f"arch '{arch}' must be SOURCE:NAME, e.g. 'torchvision:resnet18'; sources are {', '.join(sources)}")
    if source not in sources:
        return _from_factory(arch, source, name, classes, trust_code, sources)
    entry = registry.build("architecture", source)
    known = entry.names()
    if name not in known:
        raise UsageError(f"{source} has no classifier called '{name}'{_hint(name, known)}")
    network: nn.Module = entry.build(name, classes)
    return network


def _from_factory(arch: str, module: str, name: str, classes: int, trust_code: bool, sources: list[str]) -> nn.Module:
    if not trust_code:
        hint = did_you_mean(module, sources)
        raise UsageError(f"no source of architectures called '{module}'{hint} (code of your own, '{arch}', needs --trust-code)")
    try:
        factory: Any = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"arch '{arch}': {error}; '{module}' must be importable (see PYTHONPATH) and define '{name}'") from None
    network = factory(classes)
    if not isinstance(network, nn.Module):
        raise UsageError(f"arch '{arch}': {name}({classes}) must return a torch.nn.Module, not {type(network).__name__}")
    return network


def _hint(name: str, known: list[str]) -> str:
    """As `did_you_mean`, without reciting a thousand names."""
    hint = did_you_mean(name, known)
    return hint if "did you mean" in hint or len(known) < 10 else f"; it has {len(known)}, such as '{known[0]}'"
