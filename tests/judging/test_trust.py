"""The check of the explainer has its known answers: it works, it is blind, it has habits, and
nothing can be said.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from judging_of import judged_by

from shortcut_audit.harness.audit import Audit
from shortcut_audit.judging.trust import distrusted
from shortcut_audit.observations import ExplainerCheck
from shortcut_audit.records import Limit, Verdict

LIMIT = Limit(0.50)


def check(
    n: int = 24,
    seen: int = 24,
    habit: int = 0,
    known: int = 24,
    fills: bool = False,
    each: int = 1,
) -> ExplainerCheck:
    """Masks that lie on the decoy's place, a corner of 4 x 4, in `seen` and `habit` of n images;
    elsewhere in the rest.
    """
    footprint = np.zeros((n, 16, 16), bool)
    footprint[:, :4, :4] = True
    elsewhere = np.roll(footprint, 8, axis=1)
    masks = [
        np.where((np.arange(n) < count)[:, None, None], footprint, elsewhere)
        for count in (seen, habit)
    ]
    place = np.ones_like(footprint) if fills else footprint
    return ExplainerCheck(masks[0], masks[1], np.arange(n) < known, place, np.arange(n) // each)


def asked(of: ExplainerCheck) -> Audit:
    """The shipped audit, put to this check."""
    path = Path(__file__).parents[2] / "audits/test_explainer_sanity.py"
    spec = importlib.util.spec_from_file_location("explainer_sanity", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    audit = Audit()
    module.test_explainer_sanity(of, SimpleNamespace(explainer=LIMIT.value), audit)
    return audit


@pytest.mark.parametrize(
    ("given", "verdicts"),
    [
        ({}, ["HOLDS", "HOLDS"]),
        ({"seen": 2}, ["VIOLATED", "HOLDS"]),
        ({"habit": 22}, ["HOLDS", "VIOLATED"]),
        ({"n": 3}, ["UNDECIDED", "UNDECIDED"]),
        ({"known": 0}, ["UNDECIDED", "HOLDS"]),
    ],
)
def test_known_answers(given, verdicts):
    audit = asked(check(**given))
    assert [
        judged_by(each.values, each.control, each.limit).verdict for each in audit.measurements
    ] == [Verdict(v) for v in verdicts]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ""),
        (
            {"seen": 2},
            "it misses the decoy in 92% of the images in a copy of the model that sees nothing else",
        ),
        (
            {"habit": 22},
            "it finds the decoy in 92% of the images in copies of the model with random weights",
        ),
        ({"known": 0}, "no copy of this model could be made that sees nothing but the decoy"),
        ({"fills": True, "known": 0}, "it cannot be checked with a decoy that fills the picture"),
    ],
)
def test_why_an_explainer_is_not_trusted(given, words):
    assert distrusted(check(**given), LIMIT) == words


def test_where_every_place_is_on_the_decoy_the_audit_does_not_apply():
    audit = asked(check(fills=True))
    assert not audit.measurements
    assert audit.pointless == "it fills the picture, so that no mask can miss it"


def test_no_image_at_all_is_not_a_decoy_that_fills_the_picture():
    audit = asked(check(n=0, seen=0, known=0))
    assert not audit.pointless
    judged = [judged_by(each.values, each.control, each.limit) for each in audit.measurements]
    assert [each.verdict for each in judged] == [Verdict.UNDECIDED] * 2
    assert distrusted(check(n=0, seen=0, known=0), LIMIT)


def test_pictures_of_four_patients_do_not_show_that_an_explainer_works():
    words = (
        "the copy of this model that was to see nothing but the decoy is right about 24 of 24 "
        "images, too few to tell"
    )
    assert distrusted(check(each=6), LIMIT) == words
    assert distrusted(check(each=4), LIMIT) == ""
