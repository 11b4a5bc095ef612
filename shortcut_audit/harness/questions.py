"""Which questions a case raises: the one that the scenario names, and of a deciding audit those
that nobody named.

A decoy may be named wrongly: it may stand for another class, or be smaller or fainter than the one
that the model has learned. So every other class is asked about as well, and every strength of the
scenario.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from shortcut_audit.harness.kinds import OF_A_DECOY, OF_AN_ATTRIBUTE
from shortcut_audit.promotion import blocks
from shortcut_audit.records import Case

if TYPE_CHECKING:
    from shortcut_audit.evidence.collection import Evidence

NAMED, ELSEWHERE, STRONGER = "", "elsewhere", "stronger"
# of a deciding audit's part of alpha goes to what is named, the rest to what nobody named
SHARE = 0.8
MOST_CLASSES = 64  # are asked about: those that decoyed pictures are taken for most often


@dataclass(frozen=True)
class Question:
    """A case, and whether its class and strength are named, another class, or the named class at
    another strength.
    """

    case: Case
    part: str  # NAMED, ELSEWHERE or STRONGER


@dataclass(frozen=True)
class Family:
    """The questions of one case, and those of the same model's other decoys, which share alpha with
    them.
    """

    own: tuple[Question, ...]
    others: tuple[Question, ...]
    audits: int  # how many deciding audits share alpha; 1 where this one does not decide
    deciding: bool  # whether it blocks, and about a decoy
    swept: bool  # whether something beside the named question is asked

    def beside(self, question: Question) -> list[Question]:
        """The other questions of the same part of alpha."""
        together = [*self.own, *self.others]
        return [
            each
            for each in together
            if each != question and (each.part == NAMED) is (question.part == NAMED)
        ]

    def weight(self, question: Question) -> float:
        """By how much p is multiplied: how many families of this size alpha would have to serve."""
        return weight(self.audits, self.swept, question.part)


def weight(audits: int, swept: bool, part: str = NAMED) -> float:
    """How many families alpha would have to serve where so many audits share it, and what nobody
    named has a part of each.
    """
    if not swept:
        return audits
    return audits / (SHARE if part == NAMED else 1 - SHARE)


def asks_predictions_alone(function: Callable[..., Any]) -> bool:
    """Whether an audit of a decoy needs no more than logits, so that other classes and strengths
    cost next to nothing.
    """
    wanted = set(inspect.signature(function).parameters)
    return {"predictions", "decoy"} <= wanted and not wanted & (
        OF_A_DECOY - {"predictions", "decoy"}
    )


def asks_natural_alone(function: Callable[..., Any]) -> bool:
    """Whether an audit of an attribute needs no more than the answers on plain pictures."""
    return OF_AN_ATTRIBUTE & set(inspect.signature(function).parameters) == {"natural"}


def family(function: Callable[..., Any], audit: str, case: Case, evidence: Evidence) -> Family:
    """All questions of an audit about the models of a case; `case` has its class already, if it has
    a decoy.
    """
    scenario = evidence.scenario
    deciding = blocks(scenario, audit) and case.decoy is not None
    alone = asks_predictions_alone(function) or asks_natural_alone(function)
    swept = deciding and len(case.models) == 1 and alone
    own = tuple(_questions(case, evidence, swept))
    others: list[Question] = []
    names = scenario.attributes if case.decoy in scenario.attributes else scenario.decoys
    for decoy in names if deciding else ():
        if decoy != case.decoy:
            others += _questions(
                Case(case.models, decoy, evidence.target(decoy, case.models)), evidence, swept
            )
    shares = blocks(scenario, audit) and audit.partition("@")[0] in scenario.deciding
    return Family(
        own, tuple(others), max(1, len(scenario.deciding)) if shares else 1, deciding, swept
    )


def _questions(case: Case, evidence: Evidence, swept: bool) -> Iterator[Question]:
    yield Question(case, NAMED)
    if case.decoy in evidence.scenario.attributes:
        yield from _of_other_classes(case, evidence, swept)
    elif swept and case.decoy is not None:
        yield from _of_other_versions(case, evidence)


def _of_other_classes(case: Case, evidence: Evidence, swept: bool) -> Iterator[Question]:
    """About an attribute: every other class of the data set, where one is named if it is swept."""
    nobodys = evidence.scenario.target(str(case.decoy)) is None
    for target in evidence.material.classes if nobodys or swept else ():
        if target != case.target:
            yield Question(replace(case, target=target), NAMED if nobodys else ELSEWHERE)


def _of_other_versions(case: Case, evidence: Evidence) -> Iterator[Question]:
    """About a decoy: every other class of the model, and every other strength."""
    decoy = str(case.decoy)
    named = evidence.scenario.target(decoy)
    strengths = range(len(evidence.material.strengths(decoy)))
    for strength in strengths:
        for target in _classes(case, evidence, strength):
            asked = replace(case, target=target, strength=strength)
            if asked == case:
                continue
            if named is None and strength == 0:
                yield Question(asked, NAMED)
            else:
                yield Question(
                    asked, STRONGER if target == case.target or named is None else ELSEWHERE
                )


def _classes(case: Case, evidence: Evidence, strength: int) -> list[str]:
    """The model's classes, the case's own among them; of very many those that decoyed pictures are
    taken for most often.
    """
    model = case.models[0]
    outputs = evidence.outputs(model)
    if len(outputs) <= MOST_CLASSES:
        return list(outputs)
    answers = evidence.predictions(model, str(case.decoy), strength).decoyed
    first = np.argsort(-evidence.often(model, answers), kind="stable")[:MOST_CLASSES]
    return list(dict.fromkeys([str(case.target), *(outputs[at] for at in first)]))
