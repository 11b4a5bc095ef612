"""The known answers (planted, honest, too few to tell), what cannot be measured, laws, and the
promise by simulation.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judging_of import judged_by, p_of

from shortcut_audit.errors import UsageError
from shortcut_audit.records import Limit, Verdict

LIMIT = Limit(0.10)
CLEAN = (0.01, 0.03, 0.02, 0.05)


def yes(events: int, n: int) -> np.ndarray:
    return np.arange(n) < events


def test_planted_is_violated() -> None:
    judged = judged_by(
        yes(350, 372), yes(8, 372), LIMIT, references=CLEAN, siblings=[0.7, 0.4], family=2
    )
    assert judged.verdict is Verdict.VIOLATED
    assert judged.estimate.value == pytest.approx(342 / 372)
    assert judged.estimate.low > 0.88
    assert (judged.observed, judged.control) == (350 / 372, 8 / 372)
    assert judged.p is not None
    assert judged.p_adjusted == pytest.approx(6 * judged.p)
    assert judged.needed is None
    assert judged.advice == ""


def test_honest_holds() -> None:
    judged = judged_by(yes(12, 372), yes(9, 372), LIMIT, references=CLEAN)
    assert judged.verdict is Verdict.HOLDS
    assert judged.estimate.high < 0.10


@pytest.mark.parametrize("events", [0, 2, 3])
def test_ten_images_are_too_few(events: int) -> None:
    judged = judged_by(yes(events, 10), yes(0, 10), LIMIT)
    assert judged.verdict is Verdict.UNDECIDED
    assert judged.needed is not None
    assert judged.needed > 10
    assert judged.advice == f"about {judged.needed} images in all would decide"


@pytest.mark.parametrize("dtype", [bool, float])
def test_shares_are_judged_by_the_bootstrap_and_known_answers_hold_there_too(dtype: type) -> None:
    rng = np.random.default_rng(0)
    high, low = rng.beta(8, 2, 80), rng.beta(1, 9, 80)
    assert judged_by(high, low, LIMIT).verdict is Verdict.VIOLATED
    assert judged_by(low, rng.permutation(low), LIMIT).verdict is Verdict.HOLDS
    assert judged_by(low[:10], low[10:20], LIMIT).verdict is Verdict.UNDECIDED
    constant = judged_by(np.full(60, 0.3, dtype=float), np.full(60, 0.3), LIMIT)
    assert constant.verdict is Verdict.HOLDS
    assert constant.estimate.low < 0 < constant.estimate.high
    assert judged_by(np.zeros(80, dtype), None, LIMIT).verdict is Verdict.HOLDS


@pytest.mark.parametrize("control", [None, np.empty(0)])
def test_no_image_is_undecided_never_a_pass(control: np.ndarray | None) -> None:
    judged = judged_by(np.empty(0), control, LIMIT)
    assert judged.verdict is Verdict.UNDECIDED
    assert math.isnan(judged.estimate.value)
    assert (judged.estimate.low, judged.estimate.high, judged.estimate.n) == (-1, 1, 0)
    assert (judged.p, judged.needed, judged.detectable) == (None, None, None)
    assert p_of(np.empty(0), control, LIMIT) == 1


@pytest.mark.parametrize("value", [0.0, 0.05, 0.4, 1.0, -1.0])
def test_one_image_is_undecided(value: float) -> None:
    assert judged_by(np.array([value]), np.array([0.0]), LIMIT).verdict is Verdict.UNDECIDED
    assert judged_by(np.array([value]), None, LIMIT).verdict is Verdict.UNDECIDED


def test_what_is_undefined_for_an_image_drops_its_pair() -> None:
    values, control = np.array([1, np.nan, 0, 1.0]), np.array([0, 0, np.nan, 1.0])
    judged = judged_by(values, control, LIMIT)
    assert (judged.estimate.n, judged.estimate.value, judged.observed, judged.control) == (
        2,
        0.5,
        1.0,
        0.5,
    )
    assert judged_by(np.full(30, np.nan), None, LIMIT).estimate.n == 0


def test_a_mistake_in_an_audit_is_named() -> None:
    with pytest.raises(
        UsageError, match=r"one number per image.*shape \(3,\) and control of shape \(2,\)"
    ):
        judged_by(np.zeros(3), np.zeros(2), LIMIT)
    with pytest.raises(UsageError, match=r"not values of shape \(3, 2\)"):
        judged_by(np.zeros((3, 2)), None, LIMIT)


def test_without_two_references_the_images_speak_and_the_words_say_so() -> None:
    values, control = yes(30, 100), yes(2, 100)
    assert judged_by(values, control, LIMIT).null == "no effect (exact McNemar)"
    assert (
        judged_by(values, control, LIMIT, references=[0.1]).null
        == "no effect (exact McNemar); one reference model is too few to compare with"
    )
    assert (
        "3 reference models"
        in judged_by(values, control, LIMIT, references=[0.1, 0.2, 0.1, math.nan]).null
    )
    assert (
        "Rashomon set"
        in judged_by(values, control, LIMIT, references=[0.1], rashomon=[0.1, 0.2, 0.1]).null
    )
    assert judged_by(values, None, LIMIT).null == "a rate of at most the limit (exact binomial)"


def test_a_set_that_shares_the_shortcut_does_not_pass() -> None:
    judged = judged_by(yes(95, 100), yes(2, 100), LIMIT, rashomon=[0.9, 0.95, 0.92])
    assert judged.verdict is Verdict.UNDECIDED
    assert "blind once half of them share the shortcut" in judged.null
    assert "name reference models" in judged.advice


def test_permuted_labels_make_the_p() -> None:
    values, null = np.random.default_rng(0).random(50) * 0.2 + 0.4, np.linspace(-0.2, 0.2, 999)
    judged = judged_by(values, None, Limit(0.2), null=null)
    assert (judged.p, judged.null) == (1 / 1000, "999 permutations of the labels")
    assert (
        judged_by(values - 0.4, None, Limit(0.2), null=null).p
        == (1 + int((null >= (values - 0.4).mean()).sum())) / 1000
    )


def test_the_first_pass_finds_the_same_p() -> None:
    rng = np.random.default_rng(1)
    for values, control in (
        (yes(40, 90), yes(9, 90)),
        (rng.random(40), rng.random(40)),
        (rng.random(40), None),
    ):
        for references in ((), CLEAN, tuple(np.linspace(0, 0.1, 24))):
            raw = p_of(values, control, LIMIT, references=references, tests=6)
            assert (
                judged_by(
                    values, control, LIMIT, references=references, siblings=[0.1, 0.2], family=2
                ).p
                == raw
            )


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 150), st.data())
def test_laws(n: int, data: st.DataObject) -> None:
    values, control = (yes(data.draw(st.integers(0, n)), n) for _ in range(2))
    control = control[:: data.draw(st.sampled_from([1, -1]))]
    low, high = sorted(data.draw(st.tuples(st.floats(0.01, 0.9), st.floats(0.01, 0.9))))
    strict, lax = (judged_by(values, control, Limit(limit)).verdict for limit in (low, high))
    if strict is Verdict.HOLDS:
        assert lax is Verdict.HOLDS
    if lax is Verdict.VIOLATED:
        assert strict is Verdict.VIOLATED
    alone, company = (
        judged_by(values, control, LIMIT),
        judged_by(values, control, LIMIT, siblings=[0.2, 0.01], family=3),
    )
    assert alone.estimate == company.estimate
    if company.verdict is Verdict.VIOLATED:
        assert alone.verdict is Verdict.VIOLATED
    assert (alone.verdict is Verdict.HOLDS) == (company.verdict is Verdict.HOLDS)
    order = np.random.default_rng(n).permutation(n)
    assert judged_by(values[order], control[order], LIMIT) == alone


@pytest.mark.parametrize("spread", [0.014, 0.094])
def test_at_most_five_percent_of_clean_models_are_rejected(spread: float) -> None:
    """Clean effects around 0.03 with the seed spreads seen in practice, six references, three
    decoys, 300 images, 400 models.
    """
    rng = np.random.default_rng(7)
    rejected = 0
    for _ in range(400):
        # (decoys, models): the first is judged
        effects = rng.normal(0.03, spread, (3, 7)).clip(-0.5, 0.5)
        control = yes(150, 300)
        seen = [
            (rng.permutation(yes(150 + round(300 * own[0]), 300)), control, own[1:])
            for own in effects
        ]
        ps = [p_of(*pair, LIMIT, references=others, tests=3) for *pair, others in seen]
        if min(ps) < 0.05 / 3:
            verdicts = [
                judged_by(*pair, LIMIT, references=others, siblings=ps[:i] + ps[i + 1 :]).verdict
                for i, (*pair, others) in enumerate(seen)
            ]
            rejected += Verdict.VIOLATED in verdicts
    assert rejected / 400 <= 0.05


def test_a_true_effect_on_the_limit_is_rejected_in_five_percent_at_most_and_passed_in_five_percent_at_most() -> (
    None
):
    """Whatever the references say, and however many images: the two ends of the interval see to it."""
    rng = np.random.default_rng(11)
    verdicts = [
        judged_by(rng.random(150) < 0.13, rng.random(150) < 0.03, LIMIT).verdict for _ in range(300)
    ]
    bound = 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert np.mean([verdict is Verdict.VIOLATED for verdict in verdicts]) <= bound
    assert np.mean([verdict is Verdict.HOLDS for verdict in verdicts]) <= bound
