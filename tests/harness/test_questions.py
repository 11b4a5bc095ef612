"""Which questions a case raises, which of them share alpha, and how much of it each has."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from shortcut_audit.harness.questions import (
    ELSEWHERE,
    MOST_CLASSES,
    NAMED,
    STRONGER,
    Question,
    asks_predictions_alone,
    family,
    weight,
)
from shortcut_audit.records import Case
from shortcut_audit.scenario import Scenario

SIGN, PAIR = Case(("m",), "sign", "cat"), Case(("a", "b"), "sign", "cat")


def insertion(audit, predictions, decoy): ...


def masks(audit, predictions, masks, decoy): ...


def evidence(sign="cat", strengths=2, outputs=("cat", "dog", "fish"), answers=()):
    """What is known of a model with these outputs, of which so many answers were seen."""
    scenario = Scenario(
        dataset={"kind": "demo"},
        decoys={"sign": {"target": sign}, "tag": {"target": "fish"}},
        blocking=("decoy_insertion", "mask_localisation", "rashomon_membership"),
    )
    logits = np.eye(len(outputs))[list(answers)]
    return SimpleNamespace(
        scenario=scenario,
        material=SimpleNamespace(strengths=lambda _: ("",) * strengths),
        outputs=lambda _: outputs,
        target=lambda decoy, _: scenario.target(decoy) or "cat",
        predictions=lambda *_: SimpleNamespace(decoyed=logits),
        often=lambda _, given: np.bincount(given.argmax(1), minlength=len(outputs)),
    )


def asked(questions):
    return [(each.case.target, each.case.strength, each.part) for each in questions]


def test_a_deciding_audit_asks_about_every_class_and_strength_once():
    found = family(insertion, "decoy_insertion", SIGN, evidence())
    assert (found.deciding, found.swept, found.audits) == (True, True, 2)
    assert asked(found.own) == [
        ("cat", 0, NAMED),
        ("dog", 0, ELSEWHERE),
        ("fish", 0, ELSEWHERE),
        ("cat", 1, STRONGER),
        ("dog", 1, ELSEWHERE),
        ("fish", 1, ELSEWHERE),
    ]
    assert {each.case.decoy for each in found.others} == {"tag"}
    assert asked(found.others)[:2] == [("fish", 0, NAMED), ("cat", 0, ELSEWHERE)]
    assert len(set(found.others)) == len(found.others) == 6


def test_where_no_class_is_named_every_class_is_and_only_the_strength_is_not():
    found = family(insertion, "decoy_insertion", SIGN, evidence(sign="any"))
    assert asked(found.own) == [
        *((name, 0, NAMED) for name in ("cat", "dog", "fish")),
        *((name, 1, STRONGER) for name in ("cat", "dog", "fish")),
    ]


@pytest.mark.parametrize(
    ("function", "audit", "case", "deciding", "others"),
    [
        (masks, "mask_localisation", SIGN, True, ["tag"]),
        (insertion, "decoy_insertion", PAIR, True, ["tag"]),
        (insertion, "mine", SIGN, False, []),
        (insertion, "decoy_insertion", Case(("m",)), False, []),
    ],
)
def test_the_others_ask_what_is_named_alone(function, audit, case, deciding, others):
    found = family(function, audit, case, evidence())
    assert found.own == (Question(case, NAMED),)
    assert [each.case.decoy for each in found.others] == others
    shares = audit != "mine"  # it blocks, also where it is about no decoy
    assert (found.deciding, found.swept, found.audits) == (deciding, False, 2 if shares else 1)
    assert found.weight(found.own[0]) == found.audits


def test_an_audit_that_asks_for_masks_as_well_does_not_cost_next_to_nothing():
    assert asks_predictions_alone(insertion)
    assert not asks_predictions_alone(masks)
    assert not asks_predictions_alone(lambda audit, predictions: None)


def test_what_is_named_shares_alpha_with_what_is_named_and_the_rest_with_the_rest():
    found = family(insertion, "decoy_insertion", SIGN, evidence())
    named, elsewhere = found.own[0], found.own[1]
    assert [(each.case.decoy, each.part) for each in found.beside(named)] == [("tag", NAMED)]
    beside = found.beside(elsewhere)
    assert elsewhere not in beside
    assert len(beside) == 4 + 5, "the own ones but this one, and those of the other decoy"
    assert {each.part for each in beside} == {ELSEWHERE, STRONGER}
    assert found.weight(named) == pytest.approx(2 / 0.8)
    assert found.weight(elsewhere) == pytest.approx(2 / 0.2)


@pytest.mark.parametrize("audits", [1, 2, 3])
def test_the_parts_of_alpha_make_the_whole_of_it(audits):
    assert audits * sum(
        1 / weight(audits, True, part) for part in (NAMED, STRONGER)
    ) == pytest.approx(1)
    assert weight(audits, False, STRONGER) == audits


def test_of_very_many_classes_those_are_asked_about_that_pictures_are_taken_for():
    outputs = ("cat", *(f"c{at}" for at in range(1, MOST_CLASSES + 3)))
    often = [*range(2, len(outputs)), 5, 5, 5, 9, 9]
    found = family(
        insertion, "decoy_insertion", SIGN, evidence(strengths=1, outputs=outputs, answers=often)
    )
    named, *others = [each.case.target for each in found.own]
    assert named == "cat"
    assert others[:3] == ["c5", "c9", "c2"]
    assert (len(others), "c1" in others) == (MOST_CLASSES, False)
    few = family(insertion, "decoy_insertion", SIGN, evidence(strengths=1, outputs=outputs[:64]))
    assert len(few.own) == MOST_CLASSES == 64
