"""What a model needs to see of its own training pictures, cut out and laid on other classes'."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortcut_audit.discovery.ground import Ground
from shortcut_audit.discovery.transplants import Transplants
from shortcut_audit.registry import register


@register("proposer")
@dataclass(frozen=True)
class CutOuts(Transplants):
    """Cut-outs of the class's own pictures, beyond what they do in the model's peers.

    Masked are the pictures of which the model is surer than its peers: that is where a shortcut is
    that only a part of the class carries. What of them turns other pictures, and does so in no
    peer, comes first; a few that turn pictures in the peers as well come last, for a shortcut that
    all share looks like this. The score is the shift of the class's log-odds beyond the peers, in
    standard deviations of the model's own log-odds.
    """

    def fitting(self, search: Ground, target: int) -> np.ndarray:
        """(f,) pictures of the class that the model knows."""
        pictures = search.parts.search
        answers = search.answers.logits(search.model, pictures.pixels).argmax(1)
        return np.flatnonzero((pictures.labels == target) & (answers == target))
