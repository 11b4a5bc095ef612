"""case x audit function -> Findings. Where evidence, judging and the words of a claim meet.

A verdict does not depend on which other tests were selected, on their order, or on the number of
workers: what a judgement needs of other models, decoys and classes is measured when it is needed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shortcut_audit.errors import UsageError
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.harness import claims
from shortcut_audit.harness.abilities import Abilities
from shortcut_audit.harness.audit import Audit, Measurement
from shortcut_audit.harness.kinds import role_of
from shortcut_audit.harness.measurements import Check, Measurements, key
from shortcut_audit.harness.questions import ELSEWHERE, NAMED, Family, Question, family
from shortcut_audit.judging import Comparison, Innocence
from shortcut_audit.judging.references import limits_of_the_unnamed, most_innocent
from shortcut_audit.judging.trust import distrusted
from shortcut_audit.promotion import blocks, only_noted
from shortcut_audit.records import ACCURACY, Case, Finding, Judgement, Limit, Verdict
from shortcut_audit.waivers import waived

EXPLAINED = {"masks", "transfer"}  # evidence that is worth as much as the explainer
SEVERITY = (Verdict.HOLDS, Verdict.UNDECIDED, Verdict.VIOLATED)


@dataclass(frozen=True)
class Answer:
    """The judgement on one question, and the one that it excuses, if any."""

    question: Question
    judgement: Judgement
    excused: Judgement | None = None  # beyond the usual control, and not beyond the second one

    @property
    def badness(self) -> tuple[int, bool, float]:
        """The verdict, whether something was excused, how far it reaches beyond the limit."""
        beyond = self.judgement.estimate.high - self.judgement.limit
        return SEVERITY.index(self.judgement.verdict), self.excused is not None, beyond


@dataclass(frozen=True)
class Terms:
    """How one question is judged: what holds, what is needed to reject, and what may be excused."""

    comparison: Comparison
    excusable: bool  # whether the second control may excuse the effect
    most: float  # and up to which effect


class Harness:
    """Judges the cases of a run; `turn` as in `Measurements`."""

    def __init__(self, evidence: Evidence, turn: float = 0.0) -> None:
        self.evidence, self.scenario = evidence, evidence.scenario
        self.abilities = Abilities(evidence)
        self.measurements = Measurements(evidence, self.abilities, turn)
        self._ps: dict[tuple[Any, ...], float] = {}
        # model -> the test whose findings also say how accurate it is
        self._said: dict[str, tuple[str, Case]] = {}

    def judge(
        self,
        function: Callable[..., Any],
        given: Mapping[str, Any],
        case: Case,
        audit: str,
        measured: Audit | None = None,
    ) -> list[Finding]:
        """Every check of one audit on one case.

        measured: what the function has handed over for it, where it was called already.
        """
        named, case = case, self.measurements.resolved(case)
        if measured is not None:
            self.measurements.take(function, given, case, measured)
        asked = self.measurements.audit(function, given, case)
        if bool(asked.measurements) is bool(asked.pointless):
            done = (
                "checked and said that it does not apply" if asked.pointless else "checked nothing"
            )
            raise UsageError(
                f"{audit} {done} for {case.id}: call audit.check(values, control, at_most(...))"
            )
        if asked.pointless:
            findings = [claims.hollow(audit, case, asked.pointless)]
        else:
            findings = self._judged(function, given, case, audit)
            findings += self._accuracy(audit, named)
        digests = tuple(self.evidence.sha256(model) for model in case.models)
        return waived((replace(each, sha256=digests) for each in findings), self.scenario.waivers)

    def _judged(
        self, function: Callable[..., Any], given: Mapping[str, Any], case: Case, audit: str
    ) -> list[Finding]:
        findings = []
        for at in range(len(self.measurements.audit(function, given, case).measurements)):
            findings += self._findings(Check(function, given, audit, at), case)
        if EXPLAINED & set(inspect.signature(function).parameters):
            findings = self._as_far_as_explained(findings, case)
        return findings

    def _accuracy(self, audit: str, case: Case) -> list[Finding]:
        """How accurate the model is, said beside the first of its tests in this process."""
        model = case.models[0]
        if len(case.models) > 1 or self._said.setdefault(model, (audit, case)) != (audit, case):
            return []
        return [self.abilities.above_chance(model)]

    def _findings(self, check: Check, case: Case) -> list[Finding]:
        """What was named, and, of a deciding audit, the worst of what nobody named.

        Nobody named other classes, and a stronger decoy.
        """
        asked = family(check.function, check.audit, case, self.evidence)
        answers: dict[str, list[Answer]] = {}
        for question in asked.own:
            answer = self._answer(check, question, asked)
            if question.part == NAMED or answer.judgement.estimate.n:
                answers.setdefault(question.part, []).append(answer)
        findings = []
        for part, each in answers.items():
            worst = max(each, key=lambda answer: answer.badness)
            finding = self._finding(check, worst, self._claim(check, worst, len(each), asked))
            if part != NAMED:
                unpromised = replace(finding.judgement, detectable=None)
                finding = replace(finding, judgement=unpromised)
            findings.append(finding)
        tried = self.evidence.material.tried(str(case.decoy), asked.swept) if asked.deciding else ""
        return [replace(each, tried=tried) for each in findings]

    def _answer(self, check: Check, question: Question, asked: Family) -> Answer:
        """The judgement, or the one against the second control, where that excuses it.

        The second control is the decoy's pixels in another order. An effect that nobody named, and
        that is no more than twice `limits.innocent`, is innocent if that has it as well. So is one
        of a decoy for which no class is named, up to `limits.innocent` itself.
        """
        measurement = self._known(check, question.case)
        terms = self._terms(check, question, asked)
        judgement = measurement.judged(terms.comparison, self._groups)
        decoy = question.case.decoy
        second = self.evidence.material.second_control(decoy) if decoy else None
        if second is None or not self._may_be_excused(judgement, terms, question):
            return Answer(question, judgement)
        recoloured = replace(question, case=replace(question.case, control=second))
        seen = self._known(check, recoloured.case)
        _, against = self.measurements.compared(check, recoloured.case)
        comparison = replace(
            terms.comparison,
            references=against.references,
            rashomon=against.rashomon,
            null=against.null,
            plant=asked.deciding and question.part == NAMED,
        )
        other = seen.judged(comparison, self._groups)
        if other.verdict is Verdict.HOLDS:
            return Answer(question, other, excused=judgement)
        return Answer(question, judgement)

    @property
    def _groups(self) -> frozenset[int]:
        """The patients, sites or videos that pictures come from; none where each stands alone."""
        return self.evidence.material.groups

    def _terms(self, check: Check, question: Question, asked: Family) -> Terms:
        """What the effect is held against, by whether the scenario names what is asked about."""
        _, comparison = self.measurements.compared(check, question.case)
        limit, innocent = comparison.limit, self.scenario.limits.innocent
        weight = asked.weight(question)
        together = list(self._together(check, question, asked))
        tests = weight * len(together)
        siblings = tuple(
            self._p(other, each, tests)
            for other, each in together
            if (other.at, each) != (check.at, question)
        )
        comparison = replace(
            comparison, siblings=siblings, family=weight, innocent=self._innocence(question)
        )
        if question.part != NAMED:
            holds, beyond = limits_of_the_unnamed(limit, innocent, comparison.references)
            return Terms(
                replace(comparison, limit=holds, beyond=beyond),
                excusable=True,
                most=most_innocent(limit, innocent),
            )
        decoy = question.case.decoy
        nobodys = decoy is not None and self.scenario.target(decoy) is None
        return Terms(
            replace(comparison, plant=asked.deciding),
            excusable=asked.swept and nobodys,
            most=innocent,
        )

    def _together(
        self, check: Check, question: Question, asked: Family
    ) -> Iterator[tuple[Check, Question]]:
        """Every check that shares one part of alpha with this one, itself among them.

        They are of the questions beside it; and, of an audit that is about an attribute or about no
        named decoy, all the checks that it makes, each of which is about another thing.
        """
        for each in (question, *asked.beside(question)):
            made = self.measurements.audit(check.function, check.given, each.case).measurements
            for at in range(len(made)):
                natural = each.case.decoy in self.scenario.attributes
                if at == check.at or natural or each.case.decoy is None:
                    yield replace(check, at=at), each

    def _may_be_excused(self, judgement: Judgement, terms: Terms, question: Question) -> bool:
        """Whether the second control is asked. What Holm alone kept from a rejection never is."""
        if not terms.excusable or judgement.verdict is not Verdict.UNDECIDED:
            return False
        if question.part == NAMED and _violated_but_for_the_correction(judgement):
            return False
        return judgement.estimate.high < terms.most

    def _p(self, check: Check, question: Question, tests: float) -> float:
        known = (*key(check.function, check.given, question.case), check.at, tests, question.part)
        if known not in self._ps:
            measurement, comparison = self.measurements.compared(check, question.case)
            comparison = replace(comparison, family=tests, innocent=self._innocence(question))
            self._ps[known] = measurement.p(comparison, self._groups)
        return self._ps[known]

    def _innocence(self, question: Question) -> Innocence | None:
        """What clean training may excuse.

        Of the named class a little, of another one whatever clean models do as well.
        """
        innocent = self.scenario.limits.innocent
        each = {NAMED: Innocence(innocent), ELSEWHERE: Innocence(np.inf, innocent)}
        return each.get(question.part)

    def _known(self, check: Check, case: Case) -> Measurement:
        return self.measurements.audit(check.function, check.given, case).measurements[check.at]

    def _as_far_as_explained(self, findings: list[Finding], case: Case) -> list[Finding]:
        """Findings on masks do not count where the explainer is not to be trusted on the model."""
        limit, explainer = Limit(self.scenario.limits.explainer), self.scenario.masks.explainer
        said = []
        for model in case.models:
            check = self.evidence.explainer_check(model, str(case.decoy), case.target)
            if why := distrusted(check, limit):
                said.append(f"{explainer} is not to be trusted on {model}: {why}")
        if not said:
            return findings
        return [claims.not_counted(each, "; ".join(said)) for each in findings]

    def _claim(self, check: Check, answer: Answer, among: int, asked: Family) -> str:
        """The sentence of the worst of so many answers to one part of the questions."""
        case, judgement = answer.question.case, answer.judgement
        decoy = self.evidence.material.worded(case.decoy, case.strength) if case.decoy else ""
        measurement = self._known(check, case)
        claim = claims.sentence(case, measurement, judgement, decoy, self.evidence.candidates)
        if answer.question.part != NAMED:
            named = self.scenario.target(str(case.decoy))
            claim = claims.unnamed(claim, answer.question.part, among, named)
        elif asked.swept and case.decoy not in self.scenario.attributes:
            other = self.evidence.turned_into(case.models[0], str(case.decoy))
            claim = claims.driven_away(claim, judgement, str(case.target), other)
        return claim + (claims.of_colour(answer.excused) if answer.excused else "")

    def _finding(self, check: Check, answer: Answer, claim: str) -> Finding:
        part, case, judgement = answer.question.part, answer.question.case, answer.judgement
        audit = f"{check.audit}@{part}" if part else check.audit
        role = role_of(inspect.signature(check.function).parameters)
        noted = only_noted(self.scenario, role, judgement.verdict)
        if role == ACCURACY:
            claim = claims.of_accuracy(claim, judgement.verdict, noted)
        return Finding(
            audit=audit,
            subjects=case.models,
            decoy=case.decoy,
            verdict=judgement.verdict,
            blocking=blocks(self.scenario, audit) and not noted,
            claim=claim,
            role=role,
            judgement=judgement,
        )


def _violated_but_for_the_correction(judgement: Judgement) -> bool:
    """More tests must not make a pass: what Holm alone kept from a rejection is not excused."""
    alpha = (1 - judgement.estimate.level) / 2
    return (
        judgement.estimate.low > judgement.limit and judgement.p is not None and judgement.p < alpha
    )
