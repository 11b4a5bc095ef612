"""What a proposer may ask: training pictures in two halves, the model in question, its peers."""

from __future__ import annotations

from dataclasses import dataclass

from shortcut_audit.discovery.parts import Parts
from shortcut_audit.evidence.answers import Answers


@dataclass(frozen=True, eq=False)
class Ground:
    """The search of one model. Proposers that look at pictures alone leave `model` out."""

    parts: Parts
    targets: tuple[int, ...]  # the classes in question, as labels
    answers: Answers  # what any of the models says about any pixels
    model: str
    peers: tuple[str, ...]  # models of its input size that say what honest training gives
