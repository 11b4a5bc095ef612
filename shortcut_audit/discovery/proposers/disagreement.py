"""What makes one member of a Rashomon set see a class where its equally accurate peers do not."""

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
class Disagreement:
    """Cut-outs of OTHER classes' pictures in which the model sees the class and its peers do not.

    A shortcut that strays onto other classes shows here first: members of a Rashomon set are
    equally accurate, so that what only one of them sees is seldom the object. Scored as
    `cut_outs`.
    """

    sources: PositiveInt = 12  # training pictures that are masked for each class
    hosts: PositiveInt = 8  # pictures of other classes on which each cut-out is laid
    area: Share = 0.05  # of the picture that the mask reveals
    most: PositiveInt = 3  # proposals of a class beyond the peers
    shared: NonNegativeInt = 0  # and of what turns pictures whatever the peers do

    of_models: ClassVar[bool] = True

    def propose(self, search: Ground, report: Progress | None = None) -> Sequence[Proposal]:
        """The cut-outs that speak for each class most; nothing without peers."""
        if not search.peers:
            return []
        chosen = {target: self._sources(search, target) for target in search.targets}
        ways = Transplants("disagreement", self.hosts, self.area, self.most, self.shared)
        return ways.proposals(search, chosen, report)

    def _sources(self, search: Ground, target: int) -> np.ndarray:
        """(s,) pictures of other classes in which the model sees more of it than its peers."""
        pictures = search.parts.search
        fitting = np.flatnonzero(pictures.labels != target)
        sure = surer_than_peers(search, target)[fitting]
        return fitting[np.argsort(-sure, kind="stable")[: self.sources]]
