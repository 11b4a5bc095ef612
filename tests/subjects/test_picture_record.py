"""What a table says of pictures stays with them, and is part of what was audited."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shortcut_audit import Pictures
from shortcut_audit.subjects.pictures import record

N = 6


def whole() -> Pictures:
    """Six pictures with everything that can be said of them; picture i says i everywhere."""
    numbers = torch.arange(N)
    pixels = numbers.to(torch.uint8)[:, None, None, None].expand(N, 3, 4, 5).clone()
    masks = (numbers[:, None, None] % 2 == 0).expand(N, 4, 5).clone()
    plain = record.pictures(pixels, [-1] * N, map(str, range(N)), ("a", "b"), masks)
    return record.digested(
        replace(
            plain,
            shown=np.array([[i % 2, i > 2] for i in range(N)], dtype=bool),
            groups=np.arange(N) // 2,
            attributes={"token": np.arange(N) % 3 == 0},
            regions={"token": ~masks},
        )
    )


@given(st.lists(st.integers(0, N - 1), unique=True))
def test_some_of_the_pictures_keep_all_that_is_said_of_each(at: list[int]) -> None:
    one = whole()
    found = record.of(one, np.array(at, dtype=np.int64))
    assert found.ids == tuple(map(str, at))
    assert found.shown is not None
    assert found.groups is not None
    assert found.objects is not None
    assert found.pixels[:, 0, 0, 0].tolist() == at
    assert found.shown.tolist() == [[bool(i % 2), i > 2] for i in at]
    assert found.groups.tolist() == [i // 2 for i in at]
    assert found.attributes["token"].tolist() == [i % 3 == 0 for i in at]
    assert found.objects[:, 0, 0].tolist() == [i % 2 == 0 for i in at]
    assert found.regions["token"][:, 0, 0].tolist() == [i % 2 == 1 for i in at]
    assert (found.digest == one.digest) is (at == list(range(N)))


def test_flags_and_places_choose_the_same() -> None:
    flags = np.array([True, False, True, True, False, False])
    assert record.of(whole(), flags).digest == record.of(whole(), np.array([0, 2, 3])).digest


@pytest.mark.parametrize(
    "changed",
    [
        {"shown": np.zeros((N, 2), bool)},
        {"groups": np.arange(N)},
        {"attributes": {"token": np.ones(N, bool)}},
        {"attributes": {"other": np.arange(N) % 3 == 0}},
        {"regions": {}},
        {"groups": None},
    ],
)
def test_the_digest_covers_what_is_said(changed: dict[str, Any]) -> None:
    one = whole()
    assert record.digested(replace(one, **changed)).digest != one.digest


def test_where_nothing_is_said_the_digest_is_what_it_was() -> None:
    """As kept evidence has it: over shape, ids, classes, labels and pixels."""
    pixels = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)
    made = record.pictures(pixels, [0, 1], ["x", "y"], ["a", "b"])
    digest = hashlib.sha256(repr(((2, 3, 4, 4), ("x", "y"), ("a", "b"))).encode())
    digest.update(np.array([0, 1], "<i8").tobytes())
    digest.update(pixels.numpy().tobytes())
    assert made.digest == digest.hexdigest()
