"""Is an effect beyond what clean training gives? Effects of reference models -> one-sided p.

A test over images asks whether this checkpoint's effect is zero. Clean checkpoints have effects
other than zero as well (seed spread 0.014 to 0.094). What is usual, the reference models of the
manifest say, which were trained by the same recipe without the decoy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

RANKS_FROM = 19  # references: fewer cannot reach p = 0.05 by rank
FLOOR = 0.02  # spread between clean seeds is never taken to be smaller than this
# reference effects from which on they can show that an effect beyond the limit is clean training's
SHOW_INNOCENCE = 3


@dataclass(frozen=True)
class Innocence:
    """Which effects clean training may excuse.

    They are below `most`, and less than `own` of them is the model's own part. Where clean models
    do so much that even an effect on every picture would be less than `own` beyond it, nothing is
    excused.
    """

    most: float  # an effect, in [0, 1]
    own: float | None = None  # the model's own part of an effect; None: the audit's limit


def beyond_references(
    effect: float, references: Sequence[float], tests: float = 1, alpha: float = 0.05
) -> tuple[float, str]:
    """One-sided p of the effect among m >= 2 reference effects, and in words what it is against.

    The model's own effect is none of them. From m = 19 on, and if the least such p is below alpha
    for `tests` that share alpha (tests / (m + 1) < alpha): conformal p = (1 + #{reference >=
    effect}) / (m + 1). Else: t prediction, m - 1 degrees of freedom, t = (effect - mean) / (s
    sqrt(1 + 1/m)), s at least 0.02. Which of the two depends on m, tests and alpha, never on
    effects. Law: p never rises with the effect.
    """
    others = np.asarray(references, dtype=float)
    m = len(others)
    if m >= RANKS_FROM and tests / (m + 1) < alpha:
        p = (1 + int((others >= effect).sum())) / (m + 1)
        return p, f"clean training: {m} reference models (conformal rank)"
    return prediction(effect, references), f"clean training: {m} reference models (t prediction)"


def prediction(effect: float, references: Sequence[float]) -> float:
    """One-sided p, by Student's t, of the effect as one more draw after m >= 2 references."""
    others = np.asarray(references, dtype=float)
    m = len(others)
    spread = max(FLOOR, float(others.std(ddof=1))) * math.sqrt(1 + 1 / m)
    return float(stats.t.sf((effect - others.mean()) / spread, m - 1))


def excess_over_references(
    effect: float, noise: float, references: Sequence[float], alpha: float = 0.05
) -> tuple[float, float]:
    """How much of the effect is the model's own, and the far end of that.

    The model's own is what exceeds the mean of m >= 2 reference effects. noise: from the effect to
    the far end of its interval over images. The far end lies sqrt(noise^2 + (t s)^2 / m) above,
    with the references' spread s of at least 0.02 and Student's t of m - 1 degrees of freedom at
    1 - alpha: images and references err independently. Law: more references of the same mean and
    spread bring it nearer.
    """
    others = np.asarray(references, dtype=float)
    m = len(others)
    own = effect - float(others.mean())
    spread = max(FLOOR, float(others.std(ddof=1)))
    error = float(stats.t.isf(alpha, m - 1)) * spread / math.sqrt(m)  # of the references' mean
    return own, own + math.hypot(noise, error)


def beyond_innocence(effect: float, references: Sequence[float], limit: float) -> tuple[float, str]:
    """One-sided p of the effect against the references' mean plus the limit, and in words.

    references: m >= 2 effects. It serves for effects that nothing makes innocent (`most_innocent`):
    how far apart clean models lie no longer matters there, only that they do less on average.
    t = (effect - mean - limit) / (s / sqrt(m)), m - 1 degrees of freedom, s at least 0.02.
    """
    others = np.asarray(references, dtype=float)
    m = len(others)
    spread = max(FLOOR, float(others.std(ddof=1))) / math.sqrt(m)
    words = (
        f"clean training: the mean of {m} reference models and the limit (t test), "
        "for no effect of this size is innocent"
    )
    return float(stats.t.sf((effect - float(others.mean()) - limit) / spread, m - 1)), words


def more_references(references: Sequence[float], m: int) -> tuple[float, ...]:
    """m effects with the mean and the spread of these references, which are two or more.

    They are what to expect of more models of the same kind.
    """
    known = np.asarray(references, dtype=float)
    repeated = np.resize(known, m)
    wide = float(repeated.std(ddof=1))
    scale = float(known.std(ddof=1)) / wide if wide else 1.0
    scaled = (repeated - repeated.mean()) * scale + known.mean()
    return tuple(float(each) for each in scaled)


def beyond_rashomon_set(effect: float, others: Sequence[float]) -> tuple[float, str]:
    """One-sided p of the effect among m >= 2 other models of the Rashomon set, and in words.

    It stands in where there are no references, by the others' median and MAD. It breaks down when
    half of the set shares the shortcut, and the words say so. MAD is scaled to a
    standard deviation (1.4826) and at least 0.02; the t distribution has m - 1 degrees of freedom,
    and pi/2m is the variance of a median.
    """
    effects = np.asarray(others, dtype=float)
    m = len(effects)
    centre = float(np.median(effects))
    deviation = max(FLOOR, 1.4826 * float(np.median(np.abs(effects - centre))))
    spread = deviation * math.sqrt(1 + math.pi / (2 * m))
    words = (
        f"median and MAD of {m} other models of the Rashomon set, for want of references; "
        "blind once half of them share the shortcut"
    )
    return float(stats.t.sf((effect - centre) / spread, m - 1)), words


def sound_references(effects: Mapping[str, float], limit: float, alpha: float = 0.05) -> list[str]:
    """The names of the references that may serve, in the order given.

    They are those whose effect on one decoy is known and not far larger than the others'. From the
    largest effect down, each is judged against the smaller ones (leave one out, for the largest).
    One that is beyond the limit with p < alpha / m is dropped, and so are all larger ones, for two
    bad references hide each other (masking, Rosner 1983).

    The level is alpha / m and not alpha, because dropping clean references narrows what counts as
    usual: by simulation (seed spread 0.094, 6 references) 8 % of clean models were then rejected at
    alpha, 6 % at alpha / m and 4 % without dropping. A bad reference that stays widens the spread,
    and makes nothing pass whose own effect is beyond `limits.innocent`. Fewer than half can be
    dropped: beyond that nothing tells which half is bad.
    """
    known = {name: effect for name, effect in effects.items() if math.isfinite(effect)}
    ranked = sorted(known, key=lambda name: -known[name])
    m, dropped = len(ranked), 0
    for place in range(1, (m - 1) // 2 + 1):
        suspect, rest = known[ranked[place - 1]], [known[name] for name in ranked[place:]]
        p, _ = beyond_references(suspect, rest, tests=m, alpha=alpha)
        if suspect > limit and p < alpha / m:
            dropped = place
    unsound = set(ranked[:dropped])
    return [name for name in known if name not in unsound]


def limits_of_the_unnamed(
    limit: float, innocent: float, references: Sequence[float]
) -> tuple[float, float]:
    """What a decoy may do to a class, or at a strength, that nobody named: two effects.

    Below the first it HOLDS, above the second it is VIOLATED. Any large patch of colour turns
    pictures into some class in every clean model (decision 010). With two reference effects or more
    both are the largest of them plus the audit's own limit, at least `innocent`; without, the first
    is `innocent`, and the second `most_innocent`.
    """
    least, most = max(limit, innocent), most_innocent(limit, innocent)
    if len(references) < 2:
        return least, most
    usual = min(most, max(least, max(references) + limit))
    return usual, usual


def most_innocent(limit: float, innocent: float) -> float:
    """The largest effect that can be innocent, whatever references or a second control do.

    It is twice `innocent`, or the audit's limit where that is more.
    """
    return max(limit, 2 * innocent)
