"""One number per image -> Estimate -> HOLDS, VIOLATED or UNDECIDED."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shortcut_audit.errors import UsageError
from shortcut_audit.judging.multiplicity import adjusted
from shortcut_audit.judging.positive_control import TIMES_LIMIT, planted
from shortcut_audit.judging.power import images_needed, smallest_detectable
from shortcut_audit.judging.references import (
    SHOW_INNOCENCE,
    Innocence,
    beyond_innocence,
    beyond_rashomon_set,
    beyond_references,
    excess_over_references,
    more_references,
    most_innocent,
    prediction,
)
from shortcut_audit.judging.samples import Sample, sample_of
from shortcut_audit.records import Estimate, Judgement, Limit, Verdict

MOST_REFERENCES = 50  # nobody trains more to have a verdict


@dataclass(frozen=True)
class Rule:
    """Everything beside the images that a verdict depends on.

    HOLDS: the interval's far end is inside the limit. VIOLATED: its near end is beyond the
        limit, and p, adjusted for
    multiplicity, is below alpha. Each end is a one-sided bound at 1 - alpha, so the interval's
    two-sided level is 1 - 2 alpha = 0.90, as in an equivalence test: that is what lets zero events
    in 29 images, and not in 28, bound a rate below 10 %. Either way the error that the verdict
    risks has probability alpha. p pays for multiplicity; the ends do not. HOLDS as well: the effect
    is innocent, see `innocent_excess`.
    """

    limit: float
    alpha: float = 0.05
    references: tuple[float, ...] = ()
    rashomon: tuple[float, ...] = ()
    null: np.ndarray | None = None  # (b,)
    siblings: tuple[float, ...] = ()
    family: float = 1
    beyond: float | None = None  # VIOLATED needs more than this; None: more than the limit
    # what clean training may excuse; None: nothing beyond the limit
    innocent: Innocence | None = None

    @property
    def level(self) -> float:
        """The two-sided level of the interval whose ends are one-sided bounds at 1 - alpha."""
        return 1 - 2 * self.alpha

    def test(self, sample: Sample) -> tuple[float, str]:
        """One-sided p and what it is against, in words: references if there are two, else the set,
        permutations, the images.
        """
        if len(self.references) >= 2:
            usual = beyond_references(
                sample.effect, self.references, self.family * (1 + len(self.siblings)), self.alpha
            )
            if self.innocent is None or sample.effect <= most_innocent(
                self.limit, self.innocent.most
            ):
                return usual
            return min(usual, beyond_innocence(sample.effect, self.references, self.limit))
        if len(self.rashomon) >= 2:
            return beyond_rashomon_set(sample.effect, self.rashomon)
        if self.null is not None:
            beyond = int((self.null >= sample.effect - 1e-12).sum())
            return (1 + beyond) / (
                1 + len(self.null)
            ), f"{len(self.null)} permutations of the labels"
        return sample.p(self.limit), sample.null

    def decide(self, sample: Sample) -> Verdict:
        """The verdict on a sample, observed or supposed."""
        low, high = sample.interval(self.level)
        if high < self.limit:
            return Verdict.HOLDS
        if (
            low > max(self.limit, self.beyond or 0.0)
            and adjusted(self.test(sample)[0], self.siblings, self.family) < self.alpha
        ):
            return Verdict.VIOLATED
        return Verdict.UNDECIDED if self.innocent_excess(sample) is None else Verdict.HOLDS

    def innocent_excess(self, sample: Sample) -> tuple[float, float] | None:
        """What of an effect beyond the limit is the model's own, and its far end, where that is
        inside the limit; else None.

        Three references or more must show the effect too. It, to the far end of its interval, and
        each of theirs stay below `innocent.most`, and p alone, before any correction, must not
        speak against it: more tests never make a pass.
        """
        high = sample.interval(self.level)[1]
        if (
            self.innocent is None
            or len(self.references) < SHOW_INNOCENCE
            or max(high, *self.references) >= self.innocent.most
        ):
            return None
        own, far = excess_over_references(
            sample.effect, high - sample.effect, self.references, self.alpha
        )
        most = self.limit if self.innocent.own is None else self.innocent.own
        if (
            far >= most
            or high < self.limit
            or sum(self.references) / len(self.references) > 1 - most
        ):
            return None
        alone = min(
            prediction(sample.effect, self.references),
            beyond_references(sample.effect, self.references)[0],
        )
        return (own, far) if alone >= self.alpha else None


def judge(
    values: np.ndarray,
    control: np.ndarray | None,
    limit: Limit,
    *,
    references: Sequence[float] = (),
    rashomon: Sequence[float] = (),
    siblings: Sequence[float] = (),
    family: float = 1,
    null: np.ndarray | None = None,
    plant: bool = False,
    beyond: float | None = None,
    innocent: Innocence | None = None,
    alpha: float = 0.05,
    seed: int = 0,
) -> Judgement:
    """Is the mean effect of `values` over `control` at most the limit?

    values, control: (n,), one number per SOURCE image, paired; yes/no (bool, or 0 and 1) or
        numbers in [-1, 1]. NaN is
    "undefined for this image" and drops the pair. Without control the effect is the mean itself.
    references: effects of the reference models on the same audit and decoy, this model left
        out; two or more make the p value.
    rashomon: the same of the other models in the set; used where there are fewer than two
        references.
    null: (b,) the effect under permuted labels, where images are not independent; used where
        neither of the above is.
    siblings: raw p values (see `p_value`) of this model's other deciding tests, for Holm;
        family: how many such families share
    alpha (2.5: this one has two fifths of it). beyond: VIOLATED needs a near end above this, where
    that is more than the limit.
    innocent: which effects that three references or more show as well are innocent
        (`Rule.innocent_excess`).
    plant: HOLDS only if a planted effect is found VIOLATED by the same rule, else UNDECIDED
        (see `planted`): it is
    the smallest effect that this many images are said to find, at least twice the limit.
    Interval: Clopper-Pearson, Agresti-Min with Tango, or BCa, by the kind of values. No image
        at all is UNDECIDED.
    Laws: without plant more limit never turns HOLDS into anything else; adding siblings never
        makes VIOLATED.

    Raises:
        UsageError: values and control are not two vectors of one length.
    """
    kept, paired = _defined(values, control)
    others, siblings = (_finite(references), _finite(rashomon)), _finite(siblings)
    rule = Rule(limit.value, alpha, *others, _null(null), siblings, family, beyond, innocent)
    if not len(kept):
        return _nothing_seen(rule, has_control=control is not None)
    sample = sample_of(kept, paired, limit.value, rule.level, seed)
    p, words = rule.test(sample)
    verdict = rule.decide(sample)
    needed = images_needed(sample, rule.decide) if verdict is Verdict.UNDECIDED else None
    detectable = _detectable(rule, sample, paired)
    advice = _advice(rule, sample, needed) if verdict is Verdict.UNDECIDED else ""
    promised = None
    if plant and verdict is Verdict.HOLDS:
        positive = _positive_control(rule, kept, paired, detectable, seed)
        promised = positive.effect
        if rule.decide(positive) is not Verdict.VIOLATED:
            verdict, detectable = Verdict.UNDECIDED, None
            needed, advice = _not_found(rule, positive)
    low, high = sample.interval(rule.level)
    own = rule.innocent_excess(sample) if verdict is Verdict.HOLDS else None
    return Judgement(
        verdict=verdict,
        estimate=Estimate(sample.effect, low, high, rule.level, len(kept), sample.method),
        observed=float(kept.mean()),
        control=None if paired is None else float(paired.mean()),
        limit=limit.value,
        p=p,
        p_adjusted=adjusted(p, rule.siblings, family),
        null=words + _lone_reference(rule),
        needed=needed,
        detectable=detectable,
        planted=promised,
        advice=advice,
        excess=own and own[0],
        excess_high=own and own[1],
    )


def p_value(
    values: np.ndarray,
    control: np.ndarray | None,
    limit: Limit,
    *,
    references: Sequence[float] = (),
    rashomon: Sequence[float] = (),
    tests: float = 1,
    null: np.ndarray | None = None,
    innocent: Innocence | None = None,
    alpha: float = 0.05,
    seed: int = 0,
) -> float:
    """The raw p that `judge` would find, without interval or power: a first pass that makes
    everybody's `siblings`.

    `tests`: how many share alpha in all, family * (1 + number of siblings). 1 where no image is
    defined.
    """
    kept, paired = _defined(values, control)
    if not len(kept):
        return 1.0
    rule = Rule(
        limit.value,
        alpha,
        _finite(references),
        _finite(rashomon),
        _null(null),
        family=tests,
        innocent=innocent,
    )
    return rule.test(sample_of(kept, paired, limit.value, rule.level, seed, ends=False))[0]


def _defined(
    values: np.ndarray, control: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Float copies without the images for which either is not finite."""
    values = np.asarray(values, dtype=float)
    paired = None if control is None else np.asarray(control, dtype=float)
    if values.ndim != 1 or (paired is not None and paired.shape != values.shape):
        found = f"values of shape {values.shape}" + (
            "" if paired is None else f" and control of shape {paired.shape}"
        )
        raise UsageError(
            f"an audit hands over one number per image, and as many for the control, not {found}"
        )
    known = np.isfinite(values) if paired is None else np.isfinite(values) & np.isfinite(paired)
    return values[known], None if paired is None else paired[known]


def _finite(effects: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(effect) for effect in effects if np.isfinite(effect))


def _null(null: np.ndarray | None) -> np.ndarray | None:
    return (
        None
        if null is None
        else np.asarray(_finite(np.asarray(null, dtype=float).ravel().tolist()))
    )


def _detectable(rule: Rule, sample: Sample, control: np.ndarray | None) -> float | None:
    """The smallest effect that is found four times in five, if the control leaves room for as much."""
    found = smallest_detectable(sample, rule.decide)
    room = 1.0 if control is None else float(planted(control, np.inf).mean() - control.mean())
    return found if found is not None and found <= room + 1e-9 else None


def _positive_control(
    rule: Rule, values: np.ndarray, control: np.ndarray | None, detectable: float | None, seed: int
) -> Sample:
    """The same images under the same control, had the decoy the effect that they are said to find,
    or all there is room for.
    """
    effect = 1.0 if detectable is None else max(TIMES_LIMIT * rule.limit, detectable)
    shown = planted(np.zeros_like(values) if control is None else control, effect)
    return sample_of(shown, control, rule.limit, rule.level, seed)


def _not_found(rule: Rule, positive: Sample) -> tuple[int | None, str]:
    """How many images in all would find the planted effect, if any number would, and the words for
    it.
    """
    room = (
        ""
        if positive.effect > TIMES_LIMIT * rule.limit
        else ", all that the control leaves room for,"
    )
    needed = images_needed(positive, rule.decide)
    if needed is not None and rule.decide(positive.grown(needed)) is not Verdict.VIOLATED:
        needed = None
    models = _references_needed(rule, positive)
    more = f"more images would not change that{f'; {models} would' if models else ''}"
    more = more if needed is None else f"about {needed} images in all would find it"
    planted_effect = f"even a planted effect of {100 * positive.effect:.0f} points{room}"
    return (
        needed,
        f"{planted_effect} would not have been found, against {rule.test(positive)[1]}; {more}",
    )


def _nothing_seen(rule: Rule, *, has_control: bool) -> Judgement:
    nan = float("nan")
    return Judgement(
        verdict=Verdict.UNDECIDED,
        estimate=Estimate(nan, -1.0, 1.0, rule.level, 0, "no image"),
        observed=nan,
        control=nan if has_control else None,
        limit=rule.limit,
        p=None,
        p_adjusted=None,
        null="nothing: the value is defined for no image",
        advice="the value is defined for no image: more images, or other ones, are needed",
    )


def _lone_reference(rule: Rule) -> str:
    lone = len(rule.references) == 1 and len(rule.rashomon) < 2
    return "; one reference model is too few to compare with" if lone else ""


def _advice(rule: Rule, sample: Sample, needed: int | None) -> str:
    """What would decide, in words."""
    more = _references_needed(rule, sample)
    if needed is not None:
        return f"about {needed} images in all would decide" + (f", or {more}" if more else "")
    if more:
        return f"more images would not decide; {more} would"
    if len(rule.references) >= 2:
        count = len(rule.references)
        room = (
            ""
            if rule.innocent is None or max(rule.references) < 0.5
            else ": with a smaller or fainter decoy there is more to tell"
        )
        return f"neither more images nor more models like these {count} reference models would tell it from clean training{room}"
    if sample.effect <= rule.limit:
        return "as observed, the effect sits on the limit: no number of such images would decide"
    if len(rule.rashomon) >= 2:
        return (
            "the effect is beyond the limit, but the other models of the set show as much or vary too much to tell; "
            "more images would not decide: name reference models, trained by the same recipe without the decoy"
        )
    return (
        "more images would not decide: without reference models, trained by the same recipe without the decoy, nothing tells "
        "whether an effect of this size was learned; name three or more in the manifest (reference: true)"
    )


def _references_needed(rule: Rule, sample: Sample) -> str:
    """How many reference models in all would decide if they lay as those lie that are there, in
    words; "" where none would.
    """
    known = len(rule.references)
    for m in range(known + 1, MOST_REFERENCES + 1) if known >= 2 else ():
        if (
            replace(rule, references=more_references(rule.references, m)).decide(sample)
            is not Verdict.UNDECIDED
        ):
            return f"about {m} reference models in all (there are {known})"
    return ""
