"""A judgement's figures as a reader meets them: shares in per cent, effects in points."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.records import Judgement, Verdict

BRACES = re.compile(r"\{\{|\}\}|\{(\w*)\}")


def percent(share: float | None) -> str:
    """`96 %`, `0.4 %`; `nothing` where there is no number."""
    if share is None or math.isnan(share):
        return "nothing"
    points = 100 * share
    return f"{points:.1f} %" if 0 < abs(points) < 1 else f"{points:.0f} %"


def _points(share: float) -> str:
    return f"{100 * share:.0f}"


def filled(claim: str, words: Mapping[str, str], names: Iterable[str]) -> str:
    """The claim with each `{word}` filled in, and `{{` for a brace.

    Braces that are part of one of these names stay.

    Raises:
        UsageError: the claim asks for a word that there is not.
    """
    names = tuple(names)

    def word(match: re.Match[str]) -> str:
        asked = match[1]
        if asked is None:
            return match[0][0]
        if asked in words:
            return words[asked]
        if any(match[0] in name for name in names):
            return match[0]
        raise UsageError(f"a claim asks for {{{asked}}}{did_you_mean(asked, words)}")

    return BRACES.sub(word, claim)


def figures(judgement: Judgement) -> str:
    """`: 94 points [91, 96], limit 10 (n = 372)`, and what would decide, or was to be found."""
    estimate = judgement.estimate
    limit = f"limit {100 * judgement.limit:.3g}"
    if estimate.n == 0:
        return f": nothing could be measured, {limit} (n = 0)"
    interval = f"[{_points(estimate.low)}, {_points(estimate.high)}]"
    text = f": {_points(estimate.value)} points {interval}, {limit} (n = {estimate.n})"
    if judgement.verdict is Verdict.UNDECIDED:
        return f"{text}; undecided: {judgement.advice}"
    if judgement.excess is not None and judgement.excess_high is not None:
        text += (
            "; innocent: clean reference models show "
            f"{_points(estimate.value - judgement.excess)} points, so that "
            f"{_points(judgement.excess)}, at most {_points(judgement.excess_high)}, are its own"
        )
    if judgement.verdict is Verdict.HOLDS and judgement.detectable is not None:
        return f"{text}; {100 * judgement.detectable:.0f} points would have been found"
    return text
