"""Rows that are made when asked for are what the whole tensor is, and never more of it stands in
memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from shortcut_audit import UsageError, rows
from shortcut_audit.rows import LATELY, Lazy, lately, rows_digest

STEP = 4
ROW = (3, 2, 5)


def whole(n: int, row: tuple[int, ...] = ROW) -> Tensor:
    """(n, ...) uint8, each value another one."""
    return torch.arange(n * int(np.prod(row)), dtype=torch.int64).to(torch.uint8).view(n, *row)


def lazy(tensor: Tensor, step: int = STEP, **options: Any) -> Lazy:
    """The same rows, made when they are asked for."""
    return Lazy(
        tensor.shape, lambda i: tensor[i * step : (i + 1) * step].clone(), step=step, **options
    )


@st.composite
def asked(draw: st.DrawFn) -> tuple[int, Any]:
    """How many rows there are, and what is asked for of them."""
    n = draw(st.integers(1, 3 * STEP + 1))
    places = st.lists(st.integers(-n, n - 1), max_size=2 * n)
    ends = st.none() | st.integers(-n - 2, n + 2)
    flags = st.lists(st.booleans(), min_size=n, max_size=n)
    some = draw(
        st.integers(-n, n - 1)
        | st.builds(slice, ends, ends, st.none() | st.integers(1, n))
        | places.map(lambda each: np.array(each, np.int64))
        | places.map(lambda each: torch.tensor(each, dtype=torch.int64))
        | flags.map(lambda each: np.array(each, bool))
        | flags.map(lambda each: torch.tensor(each, dtype=torch.bool))
    )
    rest = draw(st.sampled_from([None, (0,), (slice(1, 3),), (..., slice(0, 2)), (0, 1, 2)]))
    return n, some if rest is None else (some, *rest)


@given(asked())
@example((1, np.int64(-1)))
@example((STEP, []))
@example((2 * STEP, list(range(2 * STEP, 0, -1))[1:]))
@example((STEP + 1, (slice(None), ..., 1)))
def test_what_is_asked_for_is_what_the_whole_tensor_gives(question: tuple[int, Any]) -> None:
    n, at = question
    first = at[0] if isinstance(at, tuple) else at
    # torch counts places from the end as numpy does, and takes no empty list for places
    first = torch.as_tensor(first, dtype=torch.int64) if isinstance(first, list) else first
    expected = whole(n)[(first, *at[1:]) if isinstance(at, tuple) else first]
    found = lazy(whole(n))[at]
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


@pytest.mark.parametrize("at", [5, -6, [0, 5], [-6]])
def test_what_is_beyond_the_rows_is_an_index_error(at: Any) -> None:
    with pytest.raises(IndexError):
        lazy(whole(5))[at]


def test_one_after_the_other_they_are_all_of_them() -> None:
    assert torch.equal(torch.stack(list(lazy(whole(9)))), whole(9))
    assert torch.equal(torch.stack(list(rows.each_row(lazy(whole(9))))), whole(9))


def test_nothing_of_nothing_is_nothing() -> None:
    none = lazy(whole(0))
    assert len(none) == rows.block_count(none) == 0
    assert none[:].shape == none[[]].shape == (0, *ROW)
    assert list(rows.each_row(none)) == []


def test_only_blocks_that_are_asked_for_are_made() -> None:
    made: list[int] = []
    tensor = whole(5 * STEP)

    def make(i: int) -> Tensor:
        made.append(i)
        return tensor[i * STEP : (i + 1) * STEP]

    some = Lazy(tensor.shape, make, step=STEP)
    assert torch.equal(some[[4 * STEP, STEP, 4 * STEP + 1]], tensor[[4 * STEP, STEP, 4 * STEP + 1]])
    assert sorted(made) == [1, 4], "each once, and no other"


@pytest.mark.parametrize("n", [0, 1, STEP - 1, STEP, STEP + 1, 2 * STEP, 7 * STEP + 2])
def test_lazy_rows_and_their_tensor_have_the_same_digest(
    n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MANY", STEP)
    assert rows_digest(lazy(whole(n))) == rows_digest(whole(n))
    for i in range(rows.block_count(whole(n))):
        assert rows.digest_of_block(lazy(whole(n)), i) == rows.digest_of_block(whole(n), i)
    named = Lazy(whole(n).shape, _never, named=_names(whole(n)))
    assert rows_digest(named) == rows_digest(whole(n)), "and where it is known, nothing is made"


def _never(i: int) -> Tensor:
    raise AssertionError(f"block {i} was made")


def _names(tensor: Tensor) -> Callable[[int], str]:
    return lambda i: rows.block_digest(tensor[i * STEP : (i + 1) * STEP])


@given(st.integers(1, 3 * STEP), st.data())
def test_the_digest_changes_with_each_value(n: int, data: st.DataObject) -> None:
    before = whole(n)
    after = before.clone()
    at = tuple(data.draw(st.integers(0, side - 1)) for side in before.shape)
    after[at] += 1
    assert rows_digest(lazy(before)) != rows_digest(lazy(after))


def test_the_digest_changes_with_the_shape_and_the_order() -> None:
    tensor = whole(3 * STEP)
    others = [tensor.flip(0), tensor[:-1], tensor.view(3 * STEP, 3, 5, 2), tensor[STEP:]]
    swapped = torch.cat([tensor[STEP:], tensor[:STEP]])  # whole blocks
    found = {rows_digest(lazy(each)) for each in (tensor, swapped, *others)}
    assert len(found) == 2 + len(others)


def test_the_digest_of_a_tensor_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = whole(2)
    before = rows_digest(tensor)
    monkeypatch.setattr(rows, "_whole", _never)
    assert rows_digest(tensor) == before


def test_rows_that_are_not_the_same_twice_are_an_error_once_they_have_a_digest() -> None:
    times: list[int] = []

    def make(i: int) -> Tensor:
        times.append(i)
        return torch.full((STEP, *ROW), len(times), dtype=torch.uint8)

    loose = Lazy((2 * STEP, *ROW), make, step=STEP, same="what decoy 'dice' puts on a picture")
    assert not torch.equal(loose.block(0), loose.block(0)), "nothing was kept about them yet"
    loose.digest(0)
    with pytest.raises(UsageError) as caught:
        loose[STEP - 1]
    assert str(caught.value) == (
        "what decoy 'dice' puts on a picture is not the same each time it is asked for: "
        "let it depend on the pictures and their ids alone"
    )
    assert loose[STEP].shape == ROW, "of block 1 no digest is known"
    steady = lazy(whole(5), same="what they are")
    steady.digest(0)
    assert torch.equal(steady[:], whole(5))


def test_only_the_last_blocks_of_all_rows_stay() -> None:
    made: list[str] = []

    def maker(name: str) -> Callable[[int], Tensor]:
        def make(i: int) -> Tensor:
            made.append(f"{name}{i}")
            return torch.tensor([i])

        return lately(make)

    one, other = maker("a"), maker("b")
    for i in range(LATELY):
        assert int(one(i)) == int(one(i)) == i
    assert len(made) == LATELY, "each was made once"
    one(0)  # is the latest now, so that the next one out is 1
    other(0)
    assert len(rows._recent()) == LATELY
    one(0), one(2)
    assert made[LATELY:] == ["b0"]
    one(1)
    assert made[LATELY:] == ["b0", "a1"]


def test_what_could_not_be_made_is_tried_again() -> None:
    tries: list[int] = []

    @lately
    def make(i: int) -> int:
        tries.append(i)
        if len(tries) == 1:
            raise OSError("full")
        return i

    with pytest.raises(OSError, match="full"):
        make(3)
    assert make(3) == make(3) == 3
    assert tries == [3, 3]


def test_a_change_of_each_row_is_made_when_it_is_asked_for() -> None:
    tensor = whole(2 * STEP + 1)
    for given_rows in (tensor, lazy(tensor)):
        doubled = rows.mapped(given_rows, lambda some: some[:, :1] * 2, (len(tensor), 1, *ROW[1:]))
        assert tuple(doubled.shape) == (len(tensor), 1, *ROW[1:])
        assert torch.equal(doubled[:], tensor[:, :1] * 2)
    assert isinstance(doubled, Lazy)


def test_pictures_of_many_pixels_come_in_smaller_blocks() -> None:
    assert rows.step_of((9, 3, 147, 147)) == rows.MANY
    assert rows.step_of((9, 3, 148, 148)) == rows.FEW
