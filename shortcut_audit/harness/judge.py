"""case x audit function -> Findings. Where evidence, judging and the words of a claim meet.

An audit function only measures: it hands over numbers per image through `audit.check`. So the
harness can put the same question to the reference models (what does clean training give?), and to
the same model with another decoy, another class or a stronger decoy, by calling the same function
with their evidence. A verdict therefore does not depend on which other tests were selected, on
their order, or on the number of workers.
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
from shortcut_audit.harness import claims
from shortcut_audit.harness.abilities import Abilities
from shortcut_audit.harness.audit import Audit, Clean, Measurement
from shortcut_audit.harness.plan import OF_ONE_MODEL, VALUES, comparable, references_for
from shortcut_audit.harness.questions import ELSEWHERE, NAMED, Family, Question, family
from shortcut_audit.judging import judge, p_value, sound_references
from shortcut_audit.judging.competence import SURE
from shortcut_audit.judging.references import Innocence, limits_of_the_unnamed, most_innocent
from shortcut_audit.judging.trust import distrusted
from shortcut_audit.promotion import blocks, only_noted, waiver
from shortcut_audit.records import MEMBERSHIP, Case, Finding, Judgement, Limit, Verdict

__all__ = ["Audit", "Harness"]

EXPLAINED = {"masks", "transfer"}  # evidence that is worth as much as the explainer
SEVERITY = (Verdict.HOLDS, Verdict.UNDECIDED, Verdict.VIOLATED)


@dataclass(frozen=True)
class Check:
    """One `audit.check` of an audit function: the same question, whichever case it is put to."""

    function: Callable[..., Any]
    given: Mapping[str, Any]  # the function's arguments that do not depend on the case
    audit: str
    at: int  # the how-manieth of the function's checks


class Harness:
    """Judges the cases of a run.

    turn: a share in [0, 1), another one for each process of a run: other models are asked in an
        order turned by so much, so
    that processes do not wait for the evidence of the same one. No figure depends on it.
    """

    def __init__(self, evidence: Evidence, turn: float = 0.0) -> None:
        self.evidence, self.scenario, self.turn = evidence, evidence.scenario, turn
        self._measured: dict[tuple[Any, ...], Audit] = {}
        self._ps: dict[tuple[Any, ...], float] = {}
        self.abilities = Abilities(evidence)
        # model -> the test whose findings also say how accurate it is
        self._told: dict[str, tuple[str, Case]] = {}

    def value(self, name: str, case: Case) -> Any:
        """What the fixture of this name is for this case."""
        case = self._resolved(case)
        evidence, model = self.evidence, case.models[0]
        if name in OF_ONE_MODEL:
            about = (case.strength, case.control) if name == "predictions" else (case.target,)
            each = tuple(getattr(evidence, name)(one, case.decoy, *about) for one in case.models)
            return each[0] if len(each) == 1 else each
        others: dict[str, Callable[[], Any]] = {
            "subject": lambda: evidence.subject(model),
            "pair": lambda: tuple(evidence.candidates[one] for one in case.models),
            "decoy": lambda: evidence.bait(model, str(case.decoy), case.target),
            "accuracy": lambda: evidence.accuracy(model),
            "transfer": lambda: evidence.transfer(*case.models, str(case.decoy), case.target),
            "limits": lambda: self.scenario.limits,
            "scenario": lambda: self.scenario,
        }
        return others[name]()

    def _resolved(self, case: Case) -> Case:
        """The case with its class, where it has a decoy."""
        if case.decoy is None or case.target is not None:
            return case
        return replace(case, target=self.evidence.target(case.decoy, case.models))

    def measure(self, function: Callable[..., Any], given: Mapping[str, Any], case: Case) -> Audit:
        """What the audit function hands over for any case; `given` are the arguments that do not
        depend on it.
        """
        key = _key(function, given, case)
        if key not in self._measured:
            audit = Audit()
            names = inspect.signature(function).parameters
            evidence = {name: self.value(name, case) for name in names if name in VALUES}
            function(**{**given, **evidence, "audit": audit})
            self._measured[key] = audit
        return self._measured[key]

    def judge(
        self,
        function: Callable[..., Any],
        given: Mapping[str, Any],
        case: Case,
        audit: str,
        measured: Audit | None = None,
    ) -> list[Finding]:
        """Every check of one audit on one case; `measured` is what the function has handed over for
        it, where it was called.
        """
        named, case = case, self._resolved(case)
        if measured is not None:
            self._measured[_key(function, given, case)] = measured
        asked = self.measure(function, given, case)
        if bool(asked.measurements) is bool(asked.pointless):
            done = (
                "checked and said that it does not apply" if asked.pointless else "checked nothing"
            )
            raise UsageError(
                f"{audit} {done} for {case.id}: call audit.check(values, control, at_most(...))"
            )
        findings = [claims.hollow(audit, case, asked.pointless)] if asked.pointless else []
        for at in range(len(asked.measurements)):
            findings += self._findings(Check(function, given, audit, at), case)
        if asked.measurements and EXPLAINED & set(inspect.signature(function).parameters):
            findings = self._as_far_as_explained(findings, case)
        told = asked.measurements and len(case.models) == 1
        if told and self._told.setdefault(case.models[0], (audit, named)) == (audit, named):
            findings.append(self.abilities.above_chance(case.models[0]))
        digests = tuple(self.evidence.sha256(model) for model in case.models)
        return [replace(each, sha256=digests) for each in findings]

    def _findings(self, check: Check, case: Case) -> list[Finding]:
        """What was named, and, of a deciding audit, the worst of what nobody named: other classes,
        and a stronger decoy.
        """
        asked = family(check.function, check.audit, case, self.evidence)
        judged: dict[str, list[tuple[Question, Judgement, Judgement | None]]] = {}
        for question in asked.own:
            judgement, excused = self._judged(check, question, asked)
            if question.part == NAMED or judgement.estimate.n:
                judged.setdefault(question.part, []).append((question, judgement, excused))
        findings = []
        for part, each in judged.items():
            question, judgement, excused = max(each, key=lambda one: _badness(*one[1:]))
            claim = self._sentence(check, question.case, judgement)
            if part != NAMED:
                named = self.scenario.target(str(case.decoy))
                claim = claims.unnamed(claim, part, len(each), named)
            elif asked.swept:
                other = self.evidence.turned_into(case.models[0], str(case.decoy))
                claim = claims.driven_away(claim, judgement, str(question.case.target), other)
            claim += claims.of_colour(excused) if excused else ""
            found = self._finding(
                f"{check.audit}@{part}" if part else check.audit, question.case, judgement, claim
            )
            findings.append(found if part == NAMED else replace(found, detectable=None))
        tried = self.evidence.material.tried(str(case.decoy), asked.swept) if asked.deciding else ""
        return [replace(each, tried=tried) for each in findings]

    def _judged(
        self, check: Check, question: Question, asked: Family
    ) -> tuple[Judgement, Judgement | None]:
        """The judgement, and the one that it excuses where it is against the second control: the
        decoy's pixels in another order.

        An effect that nobody named, and that is no more than twice `limits.innocent`, is innocent
        if that has it as well. So is one of a decoy for which no class is named, up to
        `limits.innocent` itself.
        """
        weight = asked.weight(question)
        beside = [each for each in asked.beside(question) if self._measurement(check, each.case)]
        tests = weight * (1 + len(beside))
        how = {"siblings": [self._p(check, each, tests) for each in beside], "family": weight}
        case, limits = question.case, self.scenario.limits
        if question.part == NAMED:
            within = None
            judgement = self._put(check, question, None, plant=asked.deciding, **how)
            nobodys = case.decoy is not None and self.scenario.target(case.decoy) is None
            excusable = asked.swept and nobodys and not _violated_but_for_the_correction(judgement)
            most = limits.innocent
        else:
            measurement, clean = self._compared(check, case)
            within = limits_of_the_unnamed(
                measurement.limit.value, limits.innocent, clean.references
            )
            judgement = self._put(check, question, within, **how)
            excusable = True
            most = most_innocent(measurement.limit.value, limits.innocent)
        second = self.evidence.material.second_control(case.decoy) if case.decoy else None
        undecided = judgement.verdict is Verdict.UNDECIDED and judgement.estimate.high < most
        if second is None or not excusable or not undecided:
            return judgement, None
        recoloured = replace(question, case=replace(case, control=second))
        other = self._put(check, recoloured, within, plant=asked.deciding and within is None, **how)
        return (other, judgement) if other.verdict is Verdict.HOLDS else (judgement, None)

    def _put(
        self, check: Check, question: Question, limits: tuple[float, float] | None, **how: Any
    ) -> Judgement:
        """The judgement on one question; `limits` stand in for the audit's own."""
        measurement, clean = self._compared(check, question.case)
        limit, beyond = limits or (measurement.limit.value, None)
        how |= {
            "beyond": beyond,
            "innocent": self._innocence(question),
            **clean.against(measurement),
        }
        return judge(measurement.values, measurement.control, Limit(limit), **how)

    def _p(self, check: Check, question: Question, tests: float) -> float:
        key = (*_key(check.function, check.given, question.case), check.at, tests, question.part)
        if key not in self._ps:
            measurement, clean = self._compared(check, question.case)
            how = {
                "tests": tests,
                "innocent": self._innocence(question),
                **clean.against(measurement),
            }
            self._ps[key] = p_value(
                measurement.values, measurement.control, measurement.limit, **how
            )
        return self._ps[key]

    def _innocence(self, question: Question) -> Innocence | None:
        """What clean training may excuse: of the named class a little, of another one whatever
        clean models do as well.
        """
        innocent = self.scenario.limits.innocent
        each = {NAMED: Innocence(innocent), ELSEWHERE: Innocence(np.inf, innocent)}
        return each.get(question.part)

    def _measurement(self, check: Check, case: Case) -> Measurement | None:
        """None where the audit does not apply to this decoy."""
        found = self.measure(check.function, check.given, case).measurements
        return found[check.at] if found else None

    def _compared(self, check: Check, case: Case) -> tuple[Measurement, Clean]:
        """The numbers, and the same effect in the reference models (or pairs of them), this case
        left out.
        """
        measurement = self.measure(check.function, check.given, case).measurements[check.at]
        if not measurement.references:
            return measurement, Clean()
        named = references_for(case.models, self.evidence.candidates)
        every = combinations(named or self.evidence.candidates, len(case.models))
        groups = [
            group for group in every if set(group) != set(case.models) and self._comparable(group)
        ]
        first = int(self.turn * len(groups))
        found = {
            group: self._effect(check, replace(case, models=group))
            for group in groups[first:] + groups[:first]
        }
        effects = {"+".join(group): found[group] for group in groups if not np.isnan(found[group])}
        if not named:
            return measurement, Clean(rashomon=tuple(effects.values()))
        sound = sound_references(effects, measurement.limit.value)
        return measurement, Clean(references=tuple(effects[name] for name in sound))

    def _comparable(self, group: Sequence[str]) -> bool:
        """Whether the models of a pair can be asked about the same pictures; one model always can."""
        return comparable(self.evidence.candidates[group[0]], self.evidence.candidates[group[-1]])

    def _effect(self, check: Check, case: Case) -> float:
        """NaN where there is none to compare with: a model that cannot be asked, or that is at
        chance.
        """
        try:
            measurement = self._measurement(check, case)
            able = all(self.abilities.competence(model).p < SURE for model in case.models)
        except (ModelError, UsageError):
            return float("nan")  # said in that model's own cases
        return measurement.effect if measurement and able else float("nan")

    def _as_far_as_explained(self, findings: list[Finding], case: Case) -> list[Finding]:
        """Findings on masks do not count where the explainer is not to be trusted on the model."""
        limit = Limit(self.scenario.limits.explainer)
        said = []
        for model in case.models:
            if why := distrusted(
                self.evidence.explainer_check(model, str(case.decoy), case.target), limit
            ):
                said.append(
                    f"{self.scenario.masks.explainer} is not to be trusted on {model}: {why}"
                )
        if not said:
            return findings
        return [claims.not_counted(each, "; ".join(said)) for each in findings]

    def _sentence(self, check: Check, case: Case, judgement: Judgement) -> str:
        measurement = self.measure(check.function, check.given, case).measurements[check.at]
        decoy = self.evidence.material.worded(case.decoy, case.strength) if case.decoy else ""
        return claims.sentence(case, measurement, judgement, decoy, self.evidence.candidates)

    def _finding(self, audit: str, case: Case, judgement: Judgement, claim: str) -> Finding:
        estimate = judgement.estimate
        noted = only_noted(self.scenario, audit, judgement.verdict)
        return Finding(
            audit=audit,
            subjects=case.models,
            decoy=case.decoy,
            verdict=judgement.verdict,
            blocking=blocks(self.scenario, audit) and not noted,
            claim=claims.of_accuracy(claim, judgement.verdict, noted)
            if audit == MEMBERSHIP
            else claim,
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
            excess=judgement.excess,
            excess_high=judgement.excess_high,
            waived=waiver(self.scenario, audit, case)
            if judgement.verdict is not Verdict.HOLDS
            else "",
        )


def _key(function: Callable[..., Any], given: Mapping[str, Any], case: Case) -> tuple[Any, ...]:
    return function.__module__, function.__qualname__, repr(sorted(given.items())), case


def _violated_but_for_the_correction(judgement: Judgement) -> bool:
    """More tests must not make a pass: what Holm alone kept from a rejection is not excused."""
    alpha = (1 - judgement.estimate.level) / 2
    return (
        judgement.estimate.low > judgement.limit and judgement.p is not None and judgement.p < alpha
    )


def _badness(judgement: Judgement, excused: Judgement | None) -> tuple[int, bool, float]:
    """The verdict first, then whether something was excused, then how far the interval reaches
    beyond the limit.
    """
    return (
        SEVERITY.index(judgement.verdict),
        excused is not None,
        judgement.estimate.high - judgement.limit,
    )
