"""What a model needs to see of its own training pictures, cut out and laid on other classes'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import NonNegativeInt, PositiveInt

from shortcut_audit.contracts import Progress
from shortcut_audit.discovery.ground import Ground
from shortcut_audit.discovery.proposal import Proposal
from shortcut_audit.discovery.transplants import Share, Transplants, surer_than_peers
from shortcut_audit.registry import register


@register("proposer")
@dataclass(frozen=True)
class CutOuts:
    """Cut-outs of the class's own pictures, beyond what they do in the model's peers.

    Masked are the pictures of which the model is surer than its peers: that is where a shortcut is
    that only a part of the class carries. What of them turns other pictures, and does so in no
    peer, comes first; a few that turn pictures in the peers as well come last, for a shortcut that
    all share looks like this. The score is the shift of the class's log-odds beyond the peers, in
    standard deviations of the model's own log-odds.
    """

    sources: PositiveInt = 60  # training pictures that are masked for each class
    hosts: PositiveInt = 12  # pictures of other classes on which each cut-out is laid
    area: Share = 0.05  # of the picture that the mask reveals
    most: PositiveInt = 8  # proposals of a class beyond the peers
    shared: NonNegativeInt = 3  # and of what turns pictures whatever the peers do

    of_models: ClassVar[bool] = True

    def propose(self, search: Ground, report: Progress | None = None) -> Sequence[Proposal]:
        """The cut-outs that speak for each class most; nothing without a known picture."""
        chosen = {target: self._sources(search, target) for target in search.targets}
        ways = Transplants("cut_outs", self.hosts, self.area, self.most, self.shared)
        return ways.proposals(search, chosen, report)

    def _sources(self, search: Ground, target: int) -> np.ndarray:
        """(s,) pictures of the class that the model knows, its peers' least sure ones first."""
        pictures = search.parts.search
        answers = search.answers.logits(search.model, pictures.pixels).argmax(1)
        fitting = np.flatnonzero((pictures.labels == target) & (answers == target))
        sure = surer_than_peers(search, target)[fitting]
        return fitting[np.argsort(-sure, kind="stable")[: self.sources]]
