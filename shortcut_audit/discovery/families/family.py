"""Proposals that are about the same thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from shortcut_audit.contracts import Decoy


@dataclass(frozen=True)
class Rate:
    """Shares in [0, 1] of other classes' pictures that a model takes for the class."""

    decoyed: float
    control: float

    @property
    def effect(self) -> float:
        """What the decoy does beyond its control."""
        return self.decoyed - self.control


@dataclass(frozen=True, eq=False)
class Family:
    """One thing that may be a shortcut, as a decoy, and what it does on the half that ranks."""

    target: str  # the class that it turns pictures into
    proposers: tuple[str, ...]
    words: str  # what the likeliest of its proposals says
    decoy: Decoy
    options: Mapping[str, Any]  # of the decoy in a scenario, without the picture's file
    recurs: int  # training pictures in which near copies of it were seen
    model: str  # in which it was ranked
    rates: Mapping[str, Rate]  # of the model and its peers, on n pictures
    n: int
    rgba: np.ndarray | None = None  # (c, d, 4) uint8: the mark alone, where it is local
    sources: tuple[str, ...] = ()  # ids of training pictures that show it

    @property
    def own(self) -> float:
        """The effect in the model."""
        return self.rates[self.model].effect

    @property
    def peers(self) -> float:
        """The largest effect in a peer; 0 without peers."""
        return max(
            (rate.effect for name, rate in self.rates.items() if name != self.model), default=0.0
        )

    @property
    def beyond(self) -> float:
        """The effect beyond the largest in a peer."""
        return self.own - max(0.0, self.peers)
