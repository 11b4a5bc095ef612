"""Is an effect beyond what clean training gives? Effects of reference models -> one-sided p.

An image-level test asks whether this checkpoint's effect is non-zero. Clean checkpoints have
non-zero effects as well (seed spread 0.014 to 0.094), so the reference models of the manifest,
trained by the same recipe without the decoy, say what is usual.
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
    """What clean training may excuse: effects below `most`, of which less than `own` is the model's
    own (None: the limit).

    Where clean models do so much that even an effect on every picture would be less than `own`
    beyond it, nothing is excused.
    """

    most: float
    own: float | None = None


def beyond_references(
    effect: float, references: Sequence[float], tests: float = 1, alpha: float = 0.05
) -> tuple[float, str]:
    """One-sided p of the effect among m >= 2 reference effects (itself left out), and the words for
    it.

    m >= 19: conformal p = (1 + #{reference >= effect}) / (m + 1), where `tests` that share alpha
    leave it room (tests / (m + 1) < alpha; otherwise no rank could ever violate). Else: t
    prediction, m - 1 degrees of freedom, t = (effect - mean) / (s sqrt(1 + 1/m)), s at least 0.02.
    Which of the two depends on m, tests and alpha, never on effects.
    Law: p never rises with the effect.
    """
    others = np.asarray(references, dtype=float)
    m = len(others)
    if m >= RANKS_FROM and tests / (m + 1) < alpha:
        return (1 + int((others >= effect).sum())) / (
            m + 1
        ), f"clean training: {m} reference models (conformal rank)"
    return prediction(effect, references), f"clean training: {m} reference models (t prediction)"


def prediction(effect: float, references: Sequence[float]) -> float:
    """One-sided p of the effect as another draw from where m >= 2 reference effects come from, by
    Student's t.
    """
    others = np.asarray(references, dtype=float)
    m = len(others)
    spread = max(FLOOR, float(others.std(ddof=1))) * math.sqrt(1 + 1 / m)
    return float(stats.t.sf((effect - others.mean()) / spread, m - 1))


def excess_over_references(
    effect: float, noise: float, references: Sequence[float], alpha: float = 0.05
) -> tuple[float, float]:
    """How much of the effect is the model's own: what exceeds the mean of m >= 2 reference effects,
    and that excess's far end.

    noise: from the effect to the far end of its interval over images. The far end lies
        sqrt(noise^2 + (t s)^2 / m) above, with
    the references' spread s of at least 0.02 and Student's t of m - 1 degrees of freedom at 1 -
    alpha: images and references err independently. Law: more references of the same mean and spread
    bring it nearer.
    """
    others = np.asarray(references, dtype=float)
    m = len(others)
    own = effect - float(others.mean())
    spread = max(FLOOR, float(others.std(ddof=1)))
    return own, own + math.hypot(noise, float(stats.t.isf(alpha, m - 1)) * spread / math.sqrt(m))


def beyond_innocence(effect: float, references: Sequence[float], limit: float) -> tuple[float, str]:
    """One-sided p that the effect exceeds the mean of m >= 2 reference effects by no more than the
    limit, and the words for it.

    For effects that nothing makes innocent (`most_innocent`): there it no longer matters how far
    apart clean models lie, only that they do less on average. t = (effect - mean - limit) / (s /
    sqrt(m)), m - 1 degrees of freedom, s at least 0.02.
    """
    others = np.asarray(references, dtype=float)
    m = len(others)
    spread = max(FLOOR, float(others.std(ddof=1))) / math.sqrt(m)
    words = f"clean training: the mean of {m} reference models and the limit (t test), for no effect of this size is innocent"
    return float(stats.t.sf((effect - float(others.mean()) - limit) / spread, m - 1)), words


def more_references(references: Sequence[float], m: int) -> tuple[float, ...]:
    """m reference effects with the mean and the spread of these, two or more: what one may expect
    of others of their kind.
    """
    known = np.asarray(references, dtype=float)
    repeated = np.resize(known, m)
    wide = float(repeated.std(ddof=1))
    scaled = (repeated - repeated.mean()) * (
        float(known.std(ddof=1)) / wide if wide else 1.0
    ) + known.mean()
    return tuple(float(each) for each in scaled)


def beyond_rashomon_set(effect: float, others: Sequence[float]) -> tuple[float, str]:
    """Without references: one-sided p of the effect against median and MAD of m >= 2 other models
    of the Rashomon set.

    Breaks down when half of the set shares the shortcut, and the words say so. MAD is scaled to a
    standard deviation (1.4826) and at least 0.02; the t distribution has m - 1 degrees of freedom,
    and pi/2m is the variance of a median.
    """
    effects = np.asarray(others, dtype=float)
    m = len(effects)
    centre = float(np.median(effects))
    spread = max(FLOOR, 1.4826 * float(np.median(np.abs(effects - centre)))) * math.sqrt(
        1 + math.pi / (2 * m)
    )
    words = f"median and MAD of {m} other models of the Rashomon set, for want of references"
    return float(
        stats.t.sf((effect - centre) / spread, m - 1)
    ), f"{words}; blind once half of them share the shortcut"


def sound_references(effects: Mapping[str, float], limit: float, alpha: float = 0.05) -> list[str]:
    """The references that may serve, in the order given: those whose effect on one decoy is known
    and not out of line.

    From the largest effect down, each is judged against the smaller ones (leave one out, for the
    largest). One that is beyond the limit with p < alpha / m goes, and so do all larger ones: two
    bad references hide each other (masking, Rosner 1983). Why alpha / m, and not alpha: dropping
    clean ones narrows what counts as usual; at alpha, 8 % of clean models were then rejected by
    simulation (seed spread 0.094, 6 references), at alpha / m 6 %, without dropping 4 %. A bad one
    that stays widens the spread, and makes nothing pass whose own effect is beyond
    `limits.innocent`. Fewer than half can be dropped: beyond that nothing tells which half is bad.
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
    """What a decoy may do to a class, or at a strength, that nobody named: inside the first HOLDS,
    beyond the second VIOLATED.

    Any large patch of colour turns pictures into some class in every clean model (decision 010).
    With two reference effects or more both are the largest of them and the audit's own limit beside
    it, at least `innocent`; without, the first is `innocent` and the second the most that can be.
    """
    least, most = max(limit, innocent), most_innocent(limit, innocent)
    if len(references) < 2:
        return least, most
    usual = min(most, max(least, max(references) + limit))
    return usual, usual


def most_innocent(limit: float, innocent: float) -> float:
    """No effect above this is innocent, whatever references or a second control do: twice
    `innocent`, or the audit's limit.
    """
    return max(limit, 2 * innocent)
