"""What deciding needs to know of outcomes, whichever way they are judged."""

from __future__ import annotations

from typing import Protocol

from shortcut_audit.judging.intervals import Interval


class Sample(Protocol):
    """What deciding needs to know of n images, or groups of images: its units."""

    @property
    def n(self) -> float:
        """How many units."""

    @property
    def unit(self) -> str:
        """`images` or `groups`."""

    @property
    def effect(self) -> float:
        """Mean value, less the control's where there is one."""

    @property
    def method(self) -> str:
        """How the interval is made, in words."""

    @property
    def null(self) -> str:
        """What `p` tests against, in words."""

    def interval(self, level: float) -> Interval:
        """The interval of the effect."""

    def p(self, limit: float) -> float:
        """One-sided p of these outcomes alone.

        It is against no effect if there is a control, else against the limit.
        """

    def grown(self, n: float) -> Sample:
        """The same shares on n units."""

    @property
    def steps(self) -> int:
        """How many steps `at` takes from no effect to the largest."""

    def at(self, step: int) -> Sample:
        """As many units and the same control, with another effect."""

    def reached_by(self, critical: float, power: float) -> float:
        """The true effect whose estimate on this many units reaches `critical` with this power."""
