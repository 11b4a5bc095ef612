"""Who is as accurate as the best model, within epsilon?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortcut_audit.errors import UsageError
from shortcut_audit.judging import judge_membership
from shortcut_audit.records import Verdict

BEST = np.arange(500) < 470


def but(*, wrong: int, right: int = 0) -> np.ndarray:
    """The best model's answers, less `wrong` of its right ones, plus `right` of its wrong ones."""
    own = BEST.copy()
    own[:wrong] = False
    own[500 - right :] = True
    return own


def test_known_answers() -> None:
    member = judge_membership(but(wrong=4, right=2), BEST, 0.03)
    assert member.verdict is Verdict.HOLDS
    assert member.estimate.value == pytest.approx(2 / 500)
    assert (member.observed, member.control) == (470 / 500, 468 / 500)
    outside = judge_membership(but(wrong=60), BEST, 0.03)
    assert outside.verdict is Verdict.VIOLATED
    assert outside.estimate.low > 0.03
    near = judge_membership(but(wrong=12), BEST, 0.03)
    assert near.verdict is Verdict.UNDECIDED
    assert near.needed is not None
    assert near.advice == f"500 images are too few to resolve epsilon = 0.03: about {near.needed} in all would"


def test_better_than_the_best_is_a_member() -> None:
    assert judge_membership(but(wrong=0, right=20), BEST, 0.03).verdict is Verdict.HOLDS


def test_the_best_model_itself_holds_on_any_number_of_images() -> None:
    few = BEST[:5]
    assert judge_membership(few, few, 0.03).verdict is Verdict.HOLDS
    assert judge_membership(few, None, 0.03).verdict is Verdict.HOLDS


def test_a_twin_on_few_images_is_not_known_to_be_one() -> None:
    twin = judge_membership(BEST[:50].copy(), BEST[:50], 0.03)
    assert (twin.verdict, twin.needed) == (Verdict.UNDECIDED, 99)


def test_no_image_and_unequal_images() -> None:
    assert judge_membership(BEST[:0], BEST[:0].copy(), 0.03).verdict is Verdict.UNDECIDED
    with pytest.raises(UsageError, match=r"same images, not shapes \(3,\) and \(4,\)"):
        judge_membership(BEST[:3], BEST[:4], 0.03)


@given(st.integers(0, 300), st.integers(0, 29), st.floats(0.01, 0.2), st.floats(0.01, 0.2))
def test_a_wider_epsilon_never_shuts_a_member_out(wrong: int, right: int, one: float, two: float) -> None:
    own = but(wrong=wrong, right=right)
    strict, lax = (judge_membership(own, BEST, epsilon).verdict for epsilon in sorted((one, two)))
    assert not (strict is Verdict.HOLDS and lax is not Verdict.HOLDS)
    assert not (lax is Verdict.VIOLATED and strict is not Verdict.VIOLATED)
