"""Intervals and boxes as inline SVG. Places are in per cent, so that a drawing is as wide as there
is room and its lines stay as thin; colours come from the style sheet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from shortcut_audit.exhibits import Box

HEIGHT, MIDDLE = 26, 13  # pixels
OVER = 12  # pixels by which a line goes on above and below, into the rows beside
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)
MOST_TICKS = 8
HAIR = 0.01  # of a step between two ticks
MARGIN = 0.04  # of the width, on each side


@dataclass(frozen=True)
class Scale:
    """Which numbers lie at the two ends of a drawing."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Where a value lies, in per cent of the width; what lies outside is put to the end."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * (MARGIN + (1 - 2 * MARGIN) * min(max(share, 0.0), 1.0)), 2)


def scale(values: Iterable[float]) -> Scale:
    """From the least of the values, or zero, to the largest; NaN counts for nothing."""
    known = [value for value in values if math.isfinite(value)]
    low, high = min([0.0, *known]), max([0.0, *known])
    return Scale(low, high if high > low else low + 1.0)


def ticks(of: Scale) -> list[float]:
    """Round values inside the scale, at most MOST_TICKS of them."""
    width = of.high - of.low
    step = next((step for step in STEPS if width / step < MOST_TICKS), width / MOST_TICKS)
    # a hair more room, for shares that come to 1 but for rounding
    first, last = math.ceil(of.low / step - HAIR), math.floor(of.high / step + HAIR)
    return [round(step * count, 6) for count in range(first, last + 1)]


def interval(of: Scale, value: float, ends: tuple[float, float], limit: float, hollow: bool) -> str:
    """A mean with its interval, the limit that it is held against, and zero. hollow: a reference
    model's.
    """
    parts = [_upright("zero", of.at(0.0), OVER)]
    if math.isfinite(limit):
        parts.append(_upright("limit", of.at(limit), OVER))
    if math.isfinite(value):
        low, high = (of.at(end) for end in ends)
        parts.append(_line("span", low, high))
        kind = "hollow" if hollow else "dot"
        fill = "none" if hollow else "currentColor"
        parts.append(
            f'<circle class="{kind}" cx="{of.at(value)}%" cy="{MIDDLE}" r="5" '
            f'fill="{fill}" stroke="currentColor"/>'
        )
    return _svg(parts)


def box(of: Scale, shown: Box) -> str:
    """A box from quartile to quartile, its median, and whiskers."""
    first, third = of.at(shown.first), of.at(shown.third)
    parts = [
        _line("whisker", of.at(shown.low), first),
        _line("whisker", third, of.at(shown.high)),
        f'<rect class="box" x="{first}%" y="5" width="{max(round(third - first, 2), 0.4)}%" '
        'height="16" fill="none" stroke="currentColor"/>',
        _upright("median", of.at(shown.median), -5),
    ]
    return _svg(parts)


def axis(of: Scale, times: float = 1.0) -> str:
    """The numbers below a drawing. times: what a value is multiplied with, 100 for points."""
    parts = []
    for tick in ticks(of):
        parts.append(
            f'<text x="{of.at(tick)}%" y="16" text-anchor="middle" fill="currentColor">'
            f"{tick * times:g}</text>"
        )
    return _svg(parts)


def _upright(kind: str, x: float, over: int) -> str:
    return (
        f'<line class="{kind}" x1="{x}%" x2="{x}%" y1="{-over}" y2="{HEIGHT + over}" '
        'stroke="currentColor"/>'
    )


def _line(kind: str, start: float, end: float) -> str:
    return (
        f'<line class="{kind}" x1="{start}%" x2="{end}%" y1="{MIDDLE}" y2="{MIDDLE}" '
        'stroke="currentColor"/>'
    )


def _svg(parts: Sequence[str]) -> Markup:
    """Numbers alone go into it, and no name: so nothing is left to escape."""
    return Markup(
        f'<svg class="track" width="100%" height="{HEIGHT}" aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )
