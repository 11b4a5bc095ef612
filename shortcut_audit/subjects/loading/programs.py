"""A file that holds the whole network, not only its weights -> a network that can be asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from shortcut_audit.errors import UsageError
from shortcut_audit.subjects.loading.recorded import Recorded


class Program(nn.Module):
    """Images -> whatever the program answers, asked in batches of the size that it was made for.

    Law: the answers are those of the program to each picture, however many are asked about.

    Args:
        ask: normalised images -> the program's answer, of which every tensor has a row an image. A
            module shows its weights, and goes to the device with this one; any other function
            shows none.
        batch: how many images it takes at a time; None: any number.
    """

    def __init__(self, ask: Callable[[Tensor], Any], batch: int | None = None) -> None:
        super().__init__()
        self.ask, self.batch = ask, batch

    def forward(self, images: Tensor) -> Any:
        """The program's answer; the last batch is filled up with copies of its last image."""
        if self.batch is None:
            return self.ask(images)
        answers = [self._filled(part) for part in torch.split(images, self.batch)]
        return tree_map(lambda *rows: torch.cat(rows)[: len(images)], *answers)

    def _filled(self, images: Tensor) -> Any:
        lacking = (self.batch or 0) - len(images)
        return self.ask(torch.cat([images, *[images[-1:]] * lacking]))

    def train(self, mode: bool = True) -> Program:
        """Leaves the program as it is: it may not know of any mode."""
        self.training = mode
        return self


def require_weights(network: nn.Module) -> None:
    """Raises UsageError where the network is a program that shows no weights, or is not here."""
    for module in network.modules():
        if isinstance(module, Recorded):
            raise UsageError(
                f"'{module.name}' has answers to planted pictures, and no more is known of its "
                "model: masks and influence cannot be asked; audit its checkpoint for these"
            )
        if isinstance(module, Program) and not isinstance(module.ask, nn.Module):
            raise UsageError(
                "its file is a program that answers pictures and shows no weights: influence "
                "cannot be asked of it, and neither can masks, as no explainer can be checked on "
                "it; audit the state dict that it was made from for these"
            )
