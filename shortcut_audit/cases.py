"""case x audit function -> Findings. Where evidence, judging and the words of a claim meet.

An audit function only measures: it hands over numbers per image through `audit.check`. So the harness can put the
same question to the reference models (what does clean training give?) and, for the correction for multiplicity, to the
same model's other decoys, by calling the same function with their evidence. A verdict therefore does not depend on
which other tests were selected, on their order, or on the number of workers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from shortcut_audit.errors import ModelError, UsageError
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.judging import judge, p_value, sound_references
from shortcut_audit.judging.trust import distrusted
from shortcut_audit.judging.wording import figures, filled, percent
from shortcut_audit.planning import OF_ONE_MODEL, VALUES, blocks, comparable, waiver
from shortcut_audit.records import Candidate, Case, Finding, Judgement, Limit, Verdict

EXPLAINED = {"masks", "transfer"}  # evidence that is worth as much as the explainer


@dataclass(frozen=True)
class Measurement:
    """One call of `audit.check`: a number per image, on decoyed images and under the control."""

    values: np.ndarray  # (n,) bool or float
    control: np.ndarray | None  # (n,)
    limit: Limit
    claim: str
    null: Callable[[], np.ndarray] | None  # makes (draws,) effects under permuted labels
    references: bool

    @property
    def effect(self) -> float:
        """Mean over the images where both are defined; NaN if there are none."""
        difference = self.values - 0.0 if self.control is None else self.values - 1.0 * self.control
        kept = difference[~np.isnan(difference)]
        return float(kept.mean()) if len(kept) else float("nan")


@dataclass(frozen=True)
class Clean:
    """The same effect in other models: in sound references, or in all other models where the manifest names none."""

    references: Sequence[float] = ()
    rashomon: Sequence[float] = ()

    def null(self, measurement: Measurement) -> np.ndarray | None:
        """Effects under permuted labels, where no other model says what an innocent effect is."""
        compared = max(len(self.references), len(self.rashomon)) >= 2
        return None if compared or measurement.null is None else measurement.null()


class Audit:
    """What an audit function hands its numbers to. It decides nothing: the harness does, afterwards."""

    def __init__(self) -> None:
        self.measurements: list[Measurement] = []
        self.pointless = ""  # why the audit has nothing to say about this decoy

    def does_not_apply(self, reason: str) -> None:
        """Instead of a check: this decoy is not of the kind that the audit is about. Neither a pass nor a failure."""
        self.pointless = reason

    def check(
        self,
        values: Any,
        control: Any = None,
        limit: Limit | None = None,
        *,
        claim: str = "",
        null: Callable[[], np.ndarray] | None = None,
        references: bool = True,
    ) -> None:
        """The mean of `values` less that of `control` must be shown to be inside the limit.

        Args:
            values: (n,) yes/no or number for each source image; NaN where it is undefined.
            control: (n,) the same for the same images under the neutral control, or one number to compare with, or None.
            limit: `at_most(0.10)`.
            claim: a sentence with {model}, {decoy}, {target}, {observed}, {control}, {effect} to fill in.
            null: makes (draws,) effects under permuted labels, where images are not independent; called only where no
                reference models say what an innocent effect is.
            references: whether clean reference models say what an innocent effect is.
        """
        if not isinstance(limit, Limit):
            raise UsageError(f"audit.check needs a limit such as at_most(0.10), not {limit!r}")
        values = np.asarray(values)
        if control is not None:
            control = np.broadcast_to(np.asarray(control), values.shape)
        if values.ndim != 1:
            raise UsageError(f"audit.check needs one number per image, shape (n,), not an array of shape {values.shape}")
        self.measurements.append(Measurement(values, control, limit, claim, null, references))


class Harness:
    """Plans the cases of a run, and judges each."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.scenario = evidence.scenario
        self._measured: dict[tuple[Any, ...], Audit] = {}

    def value(self, name: str, case: Case) -> Any:
        """What the fixture of this name is for this case."""
        if name in OF_ONE_MODEL:
            get = getattr(self.evidence, name)
            each = tuple(get(model, case.decoy) for model in case.models)
            return each[0] if len(each) == 1 else each
        return getattr(self, f"_{name}")(case)

    def _subject(self, case: Case) -> Any:
        return self.evidence.subject(case.models[0])

    def _pair(self, case: Case) -> tuple[Candidate, ...]:
        return tuple(self.evidence.candidates[model] for model in case.models)

    def _decoy(self, case: Case) -> Any:
        return self.evidence.material.bait(str(case.decoy))

    def _accuracy(self, case: Case) -> Any:
        return self.evidence.accuracy(case.models[0])

    def _transfer(self, case: Case) -> Any:
        return self.evidence.transfer(*case.models, str(case.decoy))

    def _limits(self, _case: Case) -> Any:
        return self.scenario.limits

    def _scenario(self, _case: Case) -> Any:
        return self.scenario

    def measure(self, function: Callable[..., Any], given: Mapping[str, Any], case: Case) -> Audit:
        """What the audit function hands over for any case; `given` are the arguments that do not depend on it."""
        key = _key(function, given, case)
        if key not in self._measured:
            audit = Audit()
            names = inspect.signature(function).parameters
            evidence = {name: self.value(name, case) for name in names if name in VALUES}
            function(**{**given, **evidence, "audit": audit})
            self._measured[key] = audit
        return self._measured[key]

    def judge(
        self, function: Callable[..., Any], given: Mapping[str, Any], case: Case, audit: str, measured: Audit | None = None
    ) -> list[Finding]:
        """Every check of one audit on one case, judged; `measured` is what pytest's own call of the function handed over."""
        if measured is not None:
            self._measured[_key(function, given, case)] = measured
        asked = self.measure(function, given, case)
        if bool(asked.measurements) is bool(asked.pointless):
            done = "checked and said that it does not apply" if asked.pointless else "checked nothing"
            raise UsageError(f"{audit} {done} for {case.id}: call audit.check(values, control, at_most(...))")
        if asked.pointless:
            return [_hollow(audit, case, asked.pointless)]
        blocking = blocks(self.scenario, audit)
        siblings = [each for each in self._siblings(case) if self.measure(function, given, each).measurements] if blocking else []
        family = max(1, len(self.scenario.deciding)) if blocking else 1
        findings = []
        for at, measurement in enumerate(asked.measurements):

            def compared(of: Case, at: int = at) -> tuple[Measurement, Clean]:
                return self.measure(function, given, of).measurements[at], self._clean(function, given, of, at)

            tests = family * (1 + len(siblings))
            others = [_p(*compared(sibling), tests) for sibling in siblings]
            judgement = _judged(*compared(case), siblings=others, family=family, plant=blocking and case.decoy is not None)
            findings.append(self._finding(audit, case, blocking, measurement, judgement))
        blind = self._distrusted(case) if EXPLAINED & set(inspect.signature(function).parameters) else ""
        return [_not_counted(each, blind, waiver(self.scenario, audit, case)) for each in findings] if blind else findings

    def _distrusted(self, case: Case) -> str:
        """Why the explainer's masks of these models do not count, in words."""
        limit = Limit(self.scenario.limits.explainer)
        reasons = {model: distrusted(self.evidence.explainer_check(model, str(case.decoy)), limit) for model in case.models}
        return "; ".join(
            f"{self.scenario.masks.explainer} is not to be trusted on {m}: {why}" for m, why in reasons.items() if why
        )

    def _clean(self, function: Callable[..., Any], given: Mapping[str, Any], case: Case, at: int) -> Clean:
        """The same effect in the reference models (or pairs of them), this case left out."""
        measurement = self.measure(function, given, case).measurements[at]
        if not measurement.references:
            return Clean()
        named = [name for name, candidate in self.evidence.candidates.items() if candidate.reference]
        effects = {}
        for group in combinations(named or self.evidence.candidates, len(case.models)):
            if set(group) == set(case.models) or not self._comparable(group):
                continue
            try:
                others = self.measure(function, given, Case(group, case.decoy)).measurements
            except ModelError:
                continue  # charged to that model in its own cases
            effects["+".join(group)] = others[at].effect if others else float("nan")
        effects = {name: effect for name, effect in effects.items() if not np.isnan(effect)}
        if not named:
            return Clean(rashomon=list(effects.values()))
        return Clean(references=[effects[name] for name in sound_references(effects, measurement.limit.value)])

    def _comparable(self, group: Sequence[str]) -> bool:
        """Whether the models of a pair can be asked about the same pictures; one model always can."""
        return comparable(self.evidence.candidates[group[0]], self.evidence.candidates[group[-1]])

    def _siblings(self, case: Case) -> list[Case]:
        if case.decoy is None:
            return []
        return [Case(case.models, decoy) for decoy in self.scenario.decoys if decoy != case.decoy]

    def _finding(self, audit: str, case: Case, blocking: bool, measurement: Measurement, judgement: Judgement) -> Finding:
        estimate = judgement.estimate
        return Finding(
            audit=audit,
            subjects=case.models,
            decoy=case.decoy,
            verdict=judgement.verdict,
            blocking=blocking,
            claim=self._sentence(case, measurement, judgement),
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
            level=estimate.level,
            n=estimate.n,
            method=estimate.method,
            limit=judgement.limit,
            observed=judgement.observed,
            control=judgement.control,
            p=judgement.p,
            p_adjusted=judgement.p_adjusted,
            null=judgement.null,
            needed=judgement.needed,
            detectable=judgement.detectable,
            planted=judgement.planted,
            waived=waiver(self.scenario, audit, case) if judgement.verdict is not Verdict.HOLDS else "",
        )

    def _sentence(self, case: Case, measurement: Measurement, judgement: Judgement) -> str:
        words = {
            "model": " and ".join(case.models),
            "decoy": case.decoy or "",
            "target": self.scenario.decoys[case.decoy]["target"] if case.decoy else "",
            "observed": percent(judgement.observed),
            "control": percent(judgement.control),
            "effect": percent(judgement.estimate.value),
        }
        template = measurement.claim or "{model} shows {observed} with {decoy}, {control} under the control"
        return filled(template, words, self.evidence.candidates) + figures(judgement)


def _key(function: Callable[..., Any], given: Mapping[str, Any], case: Case) -> tuple[Any, ...]:
    return function.__module__, function.__qualname__, repr(sorted(given.items())), case


def _not_counted(finding: Finding, reason: str, waived: str) -> Finding:
    claim = f"{finding.claim}; does not count: {reason}"
    return replace(finding, verdict=Verdict.UNDECIDED, claim=claim, waived=waived, detectable=None, planted=None)


def _hollow(audit: str, case: Case, reason: str) -> Finding:
    """The finding of an audit that has nothing to say: it blocks nothing and passes nothing."""
    claim = f"{audit} does not apply to {case.decoy or case.id}: {reason}"
    return Finding(audit, case.models, case.decoy, Verdict.UNDECIDED, blocking=False, claim=claim, applies=False)


def _judged(measurement: Measurement, clean: Clean, siblings: Sequence[float], family: int, plant: bool) -> Judgement:
    return judge(
        measurement.values,
        measurement.control,
        measurement.limit,
        references=clean.references,
        rashomon=clean.rashomon,
        null=clean.null(measurement),
        siblings=siblings,
        family=family,
        plant=plant,
    )


def _p(measurement: Measurement, clean: Clean, tests: int) -> float:
    return p_value(
        measurement.values,
        measurement.control,
        measurement.limit,
        references=clean.references,
        rashomon=clean.rashomon,
        null=clean.null(measurement),
        tests=tests,
    )
