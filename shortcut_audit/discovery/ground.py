"""What a proposer may ask: training pictures in two halves, the model in question, its peers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shortcut_audit.discovery.parts import Parts
from shortcut_audit.evidence.answers import Answers

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Ground:
    """The search of one model. Proposers that look at pictures alone leave `model` out."""

    parts: Parts
    targets: tuple[int, ...]  # the classes in question, as labels
    answers: Answers  # what any of the models says about any pixels
    model: str
    peers: tuple[str, ...]  # models of its input size that say what honest training gives

    def asked(self, model: str, pixels: Tensor) -> np.ndarray:
        """Logits (n, k) of pictures (n, 3, h, w) uint8 that nobody asks about again: not kept."""
        return self.answers.answered(model, pixels)
