"""Something that may be a shortcut: what it looks like, where it stands, what it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shortcut_audit import registry
from shortcut_audit.contracts import Decoy
from shortcut_audit.discovery.families.mark import mark_of


@dataclass(frozen=True)
class Rate:
    """Shares in [0, 1] of other classes' pictures that a model takes for the class."""

    decoyed: float
    control: float

    @property
    def effect(self) -> float:
        """What the decoy does beyond its control, in [-1, 1]."""
        return self.decoyed - self.control


@dataclass(frozen=True, eq=False)
class Family:
    """Proposals that are about the same thing, as one decoy.

    It is local (`rgba`) or of the whole picture (`filter`).
    """

    target: str  # the class that it may turn pictures into
    proposers: tuple[str, ...]
    words: str  # what the likeliest of its proposals says
    side: int  # of the pictures in which it was seen, pixels
    rgba: np.ndarray | None = None  # (c, d, 4) uint8: the mark alone; alpha is its opacity
    # top and left of the mark, where it always has the same place; None: anywhere
    corner: tuple[int, int] | None = None
    filter: Mapping[str, Any] | None = None  # options of a registered decoy, its kind among them
    sources: tuple[str, ...] = ()  # ids of training pictures that show it
    # of the model in question and its peers, on n pictures of the half that ranks
    rates: Mapping[str, Rate] = field(default_factory=dict)
    n: int = 0
    model: str = ""  # the one in question

    @property
    def recurs(self) -> int:
        """Training pictures in which near copies were seen."""
        return len(self.sources)

    @property
    def compared(self) -> bool:
        """Whether any peer was asked; without one nothing says what honest training gives."""
        return len(self.rates) > 1

    @property
    def own(self) -> float:
        """The effect in the model in question."""
        return self.rates[self.model].effect

    @property
    def peers(self) -> float:
        """The largest effect in a peer, at least 0."""
        others = [rate.effect for name, rate in self.rates.items() if name != self.model]
        return max(0.0, *others) if others else 0.0

    @property
    def beyond(self) -> float:
        """The model's effect less the largest in a peer."""
        return self.own - self.peers


def decoy_of(family: Family) -> Decoy:
    """The decoy that the family is, built.

    Raises:
        UsageError: no such kind of filter, or an option of it that cannot be.
    """
    if family.rgba is not None:
        return mark_of(family.rgba, family.corner, family.side, family.target)
    options = {**(family.filter or {}), "target": family.target}
    decoy: Decoy = registry.build("decoy", str(options.pop("kind")), options)
    return decoy
