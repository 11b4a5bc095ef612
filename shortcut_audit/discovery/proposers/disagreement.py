"""What makes one member of a Rashomon set see a class where its equally accurate peers do not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import NonNegativeInt, PositiveInt

from shortcut_audit.discovery.ground import Ground
from shortcut_audit.discovery.transplants import Transplants
from shortcut_audit.registry import register


@register("proposer")
@dataclass(frozen=True)
class Disagreement(Transplants):
    """Cut-outs of OTHER classes' pictures in which the model sees the class and its peers do not.

    A shortcut that strays onto other classes shows here first: members of a Rashomon set are
    equally accurate, so that what only one of them sees is seldom the object. Scored as
    `cut_outs`.
    """

    sources: PositiveInt = 12
    hosts: PositiveInt = 8
    most: PositiveInt = 3
    shared: NonNegativeInt = 0

    def fitting(self, search: Ground, target: int) -> np.ndarray:
        """(f,) pictures of other classes; none without peers to disagree with."""
        others = search.parts.search.labels != target
        return np.flatnonzero(others & bool(search.peers))
