"""Which kind of Sample outcomes are: their values say it, and their design."""

from __future__ import annotations

from shortcut_audit.judging.intervals import bca
from shortcut_audit.judging.samples.clustered import clustered
from shortcut_audit.judging.samples.independent import Measured, Pairs, Rate
from shortcut_audit.judging.samples.outcomes import Outcomes
from shortcut_audit.judging.samples.p_values import mean_above_p, sign_flip_p
from shortcut_audit.judging.samples.sample import Sample
from shortcut_audit.judging.samples.unpaired import unpaired


def sample_of(
    outcomes: Outcomes, limit: float, level: float, seed: int, *, ends: bool = True
) -> Sample:
    """The Sample of outcomes, of which there is one at least (on each side).

    `ends=False` spares the bootstrap where only effect and p are wanted. Law: where every group has
    one image it is the Sample without groups.
    """
    if outcomes.design.paired:
        alike = _of_the_same_images(outcomes, limit, level, seed, ends=ends)
    else:
        alike = unpaired(outcomes, level)
    return clustered(alike, outcomes, seed) if outcomes.clustered else alike


def _of_the_same_images(
    outcomes: Outcomes, limit: float, level: float, seed: int, *, ends: bool
) -> Sample:
    values, control, n = outcomes.values, outcomes.control, outcomes.images
    if control is None and outcomes.yes_no:
        return Rate(float(values.sum()), n)
    if control is not None and outcomes.yes_no:
        return Pairs(float((values > control).sum()), float((values < control).sum()), n)
    differences = values if control is None else values - control
    effect, span = outcomes.effect, outcomes.span
    low, high = (bca(differences, level, seed) if ends else None) or (effect, effect)
    if control is None:
        p, null = mean_above_p(differences, limit, span), "a mean of at most the limit (t test)"
    else:
        p, null = sign_flip_p(differences, seed), "no effect (sign flips within images)"
    spread = float(differences.std(ddof=1)) if n > 1 else 0.0
    around = effect - low, high - effect
    return Measured(effect, n, spread, *around, span, control is not None, null, p)
