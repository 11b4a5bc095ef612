"""What a proposer hands over. It only proposes: other pictures confirm or do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Proposal:
    """Something on training pictures of one class that a model may take for the class.

    It is local (`crops`) or of the whole picture (`filter`). Scores of one proposer can be compared
    with each other, and with its threshold; those of two proposers cannot.
    """

    proposer: str
    target: str  # the class that it may stand for
    score: float  # the higher, the less an honest model or honest pictures would give it
    words: str  # one sentence: what was seen where, with its figures
    # (e, a, b, 3) uint8: the same thing cut out of e training pictures, aligned; the first is the
    # one that shows it best
    crops: np.ndarray | None = None
    region: np.ndarray | None = None  # (a, b) bool: what of the crops is meant
    # (top, left) in pixels of the crops in their pictures, where all have the same; None: anywhere
    corner: tuple[int, int] | None = None
    side: int = 0  # of the pictures, pixels
    # options of a registered decoy that does the same to any picture: {"kind": "blur", "radius": 2}
    filter: Mapping[str, Any] | None = None
    model: str = ""  # in which it was seen; "" where the pictures alone say so
    sources: tuple[str, ...] = ()  # (e,) ids of the training pictures that show it
