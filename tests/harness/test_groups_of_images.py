"""What an audit hands over of groups and of two lots of images, and that none is judged as if its
images stood each for itself.
"""

from __future__ import annotations

import numpy as np
import pytest

from shortcut_audit import at_most
from shortcut_audit.errors import UsageError
from shortcut_audit.harness.audit import Audit
from shortcut_audit.judging import Comparison, judge
from shortcut_audit.records import Verdict

LIMIT, RULE = at_most(0.10), Comparison(0.10, plant=True)
PATIENTS = np.repeat(np.arange(20), 20)


def handed_over(**given):
    audit = Audit()
    audit.check(np.zeros(400, bool), np.zeros(400, bool), LIMIT, **given)
    return audit.measurements[0]


KNOWN = {True: frozenset(range(100)), False: frozenset()}  # where pictures are of 100 patients


def judged(measurement, grouped):
    return measurement.judged(RULE, KNOWN[grouped])


@pytest.mark.parametrize(
    ("groups", "grouped", "verdict"),
    [
        (None, False, Verdict.HOLDS),
        (None, True, Verdict.UNDECIDED),
        (PATIENTS, True, Verdict.UNDECIDED),
        (PATIENTS // 20, False, Verdict.UNDECIDED),
        (np.arange(400) // 5, True, Verdict.HOLDS),
        (np.arange(400), False, Verdict.HOLDS),
        (np.arange(400), True, Verdict.UNDECIDED),  # each picture is said to be a patient
    ],
)
def test_pictures_of_patients_are_judged_by_patients(groups, grouped, verdict):
    found = judged(handed_over(groups=groups), grouped)
    assert found.verdict is verdict
    if grouped and (groups is None or groups.max() >= 100):
        assert found.advice.endswith(
            "the audit must pass groups=... to audit.check or audit.compare"
        )
    elif verdict is Verdict.UNDECIDED:
        assert found.advice == "about 29 groups in all would decide"


def test_a_comparison_is_judged_as_one():
    audit = Audit()
    audit.compare(np.arange(60) < 55, np.arange(300) < 30, LIMIT)
    measurement = audit.measurements[0]
    assert measurement.effect == pytest.approx(55 / 60 - 0.1)
    found = judged(measurement, grouped=False)
    assert (found.verdict, found.estimate.n) == (Verdict.VIOLATED, 360)
    assert found == judge(measurement.values, measurement.control, RULE, measurement.design)
    assert judged(measurement, grouped=True).verdict is Verdict.UNDECIDED
    assert "{model} shows {observed} on pictures with {decoy}" in measurement.claim


def test_what_is_not_judged_rejects_nobody_else():
    """Its p is among the siblings of the model's other tests."""
    audit = Audit()
    audit.check(np.ones(400, bool), np.zeros(400, bool), LIMIT)
    audit.check(np.ones(400, bool), np.zeros(400, bool), LIMIT, groups=PATIENTS)
    unsaid, said = (each.p(RULE, KNOWN[True]) for each in audit.measurements)
    assert (unsaid, said) == (1.0, pytest.approx(2e-4, abs=2e-4))
    assert audit.measurements[0].p(RULE, KNOWN[False]) < 1e-9


def test_groups_of_both_sides_of_a_comparison_count():
    audit = Audit()
    sides = np.zeros(200, bool), np.zeros(400, bool)
    audit.compare(*sides, LIMIT, groups=np.arange(200) // 50, other_groups=PATIENTS)
    audit.compare(*sides, LIMIT, groups=np.arange(200) // 4, other_groups=np.arange(400) // 4)
    few, many = audit.measurements
    assert judged(few, grouped=True).verdict is Verdict.UNDECIDED
    assert judged(many, grouped=True).verdict is Verdict.HOLDS


def test_the_effect_leaves_out_what_is_undefined():
    audit = Audit()
    audit.check([1, 0, np.nan], [0, 0, 1], LIMIT)
    audit.compare([1, 0, np.nan], [0, 0, 0, 1], LIMIT)
    audit.compare([np.nan], [0, 1], LIMIT)
    paired, apart, nothing = audit.measurements
    assert (paired.effect, apart.effect) == (0.5, 0.25)
    assert np.isnan(nothing.effect)


@pytest.mark.parametrize(
    ("hand_over", "words"),
    [
        (
            lambda audit: audit.check([1, 0], None, 0.1),
            r"audit\.check needs.*such as at_most\(0.10\), not 0.1",
        ),
        (
            lambda audit: audit.compare([1, 0], [1]),
            r"audit\.compare needs.*such as at_most\(0.10\), not None",
        ),
        (
            lambda audit: audit.check([[1, 0]], None, LIMIT),
            "audit.check needs one number per image",
        ),
        (lambda audit: audit.compare([1], [[1, 0]], LIMIT), "audit.compare needs one number"),
        (
            lambda audit: audit.check([1, 0], None, LIMIT, groups=[1]),
            r"which group it is of: \(2,\) are needed, not an array of shape \(1,\)",
        ),
        (
            lambda audit: audit.compare([1, 0], [1], LIMIT, groups=[1, 2]),
            "the groups of only one side are given",
        ),
        (
            lambda audit: audit.compare([1, 0], [1], LIMIT, groups=[1, 2], other_groups=[1, 2]),
            r"which group it is of: \(1,\) are needed",
        ),
    ],
)
def test_what_does_not_fit_is_said_where_it_is_handed_over(hand_over, words):
    audit = Audit()
    with pytest.raises(UsageError, match=words):
        hand_over(audit)
    assert not audit.measurements
