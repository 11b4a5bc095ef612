"""The size of an input is an int, and says more than an int only where there is more to say."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortcut_audit.inputs_and_outputs import Head, InputSize

SIDES = st.integers(1, 4096)
SIZES = st.builds(
    InputSize,
    SIDES,
    SIDES,
    st.none() | SIDES,
    st.booleans(),
    st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos"]),
)


@given(SIZES)
def test_a_size_is_read_from_what_it_is_written_as(size: InputSize) -> None:
    assert InputSize.parse(str(size)) == size
    assert pickle.loads(pickle.dumps(size)) == size


@given(SIZES, SIZES)
def test_equal_sizes_are_one_key_and_others_are_not(one: InputSize, other: InputSize) -> None:
    assert (one == other) is (str(one) == str(other))
    assert len({one, other}) == (1 if one == other else 2)


@given(SIDES)
def test_a_square_size_is_the_int_itself(side: int) -> None:
    assert InputSize(side) == side
    assert {side: 1}[InputSize(side)] == 1
    assert InputSize.of(side).plain
    assert InputSize(side, resize=side + 1) != side


@pytest.mark.parametrize("text", ["", "64x", "-1", "64,crop=3", "64,resize=x"])
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no input size"):
        InputSize.parse(text)


def test_a_threshold_is_what_a_logit_must_exceed() -> None:
    head = Head("labels", thresholds=(0.5, 0.731058579))
    assert head.shifts() == pytest.approx((0.0, 1.0))
    assert Head("sigmoid").outputs(2) == 1
    assert Head("labels").outputs(3) == 3
