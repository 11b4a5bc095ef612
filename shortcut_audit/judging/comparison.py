"""What an effect is held against, and the decision itself: Sample + Comparison -> Verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shortcut_audit.judging.multiplicity import adjusted
from shortcut_audit.judging.references import (
    SHOW_INNOCENCE,
    Innocence,
    beyond_innocence,
    beyond_rashomon_set,
    beyond_references,
    excess_over_references,
    most_innocent,
    prediction,
)
from shortcut_audit.judging.samples import Sample
from shortcut_audit.records import Verdict


@dataclass(frozen=True)
class Comparison:
    """Everything beside the images that a verdict depends on.

    HOLDS: the interval's far end is inside the limit, or the effect is innocent (see
    `innocent_excess`). VIOLATED: its near end is beyond the limit, and p, adjusted for
    multiplicity, is below alpha.

    Each end is a one-sided bound at 1 - alpha, so that the interval's two-sided level is
    1 - 2 alpha = 0.90, as in an equivalence test: that is what lets zero events in 29 images, and
    not in 28, bound a rate below 10 %. HOLDS and VIOLATED are each wrong with about probability
    alpha. p is adjusted for multiplicity; the ends are not.

    limit: a share; the effect must be shown to be below it.
    references: effects of the reference models on the same audit and decoy, this model left out;
        two or more make the p value.
    rashomon: the same of the other models in the set; used where references are fewer than two.
    null: (b,) the effect under permuted labels, where images are not independent; used where
        neither of the above is.
    siblings: raw p values (see `p_value`) of this model's other deciding tests, for Holm.
    family: how many such families share alpha (2.5: this one has two fifths of it).
    beyond: VIOLATED needs a near end above this, where it is more than the limit.
    innocent: which effects that three references or more show as well are innocent.
    plant: HOLDS only if a planted effect is found VIOLATED by the same comparison, else UNDECIDED
        (see `positive_control`).
    """

    limit: float
    references: Sequence[float] = ()
    rashomon: Sequence[float] = ()
    null: np.ndarray | None = None
    siblings: Sequence[float] = ()
    family: float = 1
    beyond: float | None = None
    innocent: Innocence | None = None
    plant: bool = False
    alpha: float = 0.05
    seed: int = 0

    def finite(self) -> Comparison:
        """The same without the effects and p values that are unknown."""
        return replace(
            self,
            references=_finite(self.references),
            rashomon=_finite(self.rashomon),
            siblings=_finite(self.siblings),
            null=None if self.null is None else np.asarray(_finite(np.ravel(self.null))),
        )

    @property
    def level(self) -> float:
        """The two-sided level of the interval whose ends are one-sided bounds at 1 - alpha."""
        return 1 - 2 * self.alpha

    def test(self, sample: Sample) -> tuple[float, str]:
        """One-sided p, and in words what it is against.

        That is the references where there are two, else the set, else permutations, else the
        images alone.
        """
        if len(self.references) >= 2:
            return self._beyond_references(sample.effect)
        if len(self.rashomon) >= 2:
            return beyond_rashomon_set(sample.effect, self.rashomon)
        if self.null is not None:
            draws = len(self.null)
            beyond = int((self.null >= sample.effect - 1e-12).sum())
            return (1 + beyond) / (1 + draws), f"{draws} permutations of the labels"
        return sample.p(self.limit), sample.null

    def _beyond_references(self, effect: float) -> tuple[float, str]:
        tests = self.family * (1 + len(self.siblings))
        usual = beyond_references(effect, self.references, tests, self.alpha)
        if self.innocent is None or effect <= most_innocent(self.limit, self.innocent.most):
            return usual
        return min(usual, beyond_innocence(effect, self.references, self.limit))

    def decide(self, sample: Sample) -> Verdict:
        """The verdict on a sample, observed or supposed."""
        low, high = sample.interval(self.level)
        if high < self.limit:
            return Verdict.HOLDS
        if low > max(self.limit, self.beyond or 0.0):
            p = adjusted(self.test(sample)[0], self.siblings, self.family)
            if p < self.alpha:
                return Verdict.VIOLATED
        return Verdict.UNDECIDED if self.innocent_excess(sample) is None else Verdict.HOLDS

    def innocent_excess(self, sample: Sample) -> tuple[float, float] | None:
        """The model's own part of an innocent effect, and its far end; None: it is not innocent.

        An effect beyond the limit is innocent where three references or more show it as well. All
        of this is needed: the far end is below `innocent.own`, or else the limit; the far end of
        the effect's interval and each reference's effect are below `innocent.most`; and p before
        any correction is at least alpha, so that more tests never make a pass.
        """
        high = sample.interval(self.level)[1]
        if self.innocent is None or len(self.references) < SHOW_INNOCENCE:
            return None
        if max(high, *self.references) >= self.innocent.most:
            return None
        noise = high - sample.effect
        own, far = excess_over_references(sample.effect, noise, self.references, self.alpha)
        most = self.limit if self.innocent.own is None else self.innocent.own
        usual = sum(self.references) / len(self.references)
        if far >= most or high < self.limit or usual > 1 - most:
            return None
        by_rank = beyond_references(sample.effect, self.references)[0]
        alone = min(prediction(sample.effect, self.references), by_rank)
        return (own, far) if alone >= self.alpha else None


def _finite(effects: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    return tuple(float(effect) for effect in effects if np.isfinite(effect))
