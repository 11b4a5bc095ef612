"""What a table says of pictures stays with them, and is part of what was audited."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shortcut_audit import Pictures, rows
from shortcut_audit.subjects.pictures import record

N = 6
PIXELS = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)


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


@pytest.mark.parametrize(
    "changed",
    [
        {"pixels": PIXELS.flip(0)},
        {"pixels": PIXELS.reshape(2, 3, 2, 8)},
        {"pixels": PIXELS + torch.eye(4, dtype=torch.uint8)},
        {"labels": [1, 0]},
        {"ids": ["x", "z"]},
        {"classes": ["a", "c"]},
    ],
)
def test_the_digest_covers_pixels_labels_ids_and_classes(changed: dict[str, Any]) -> None:
    plain = {"pixels": PIXELS, "labels": [0, 1], "ids": ["x", "y"], "classes": ["a", "b"]}
    assert record.pictures(**plain | changed).digest != record.pictures(**plain).digest


@pytest.mark.parametrize("step", [1, 2, 4, N])
def test_pictures_that_are_made_when_asked_for_have_the_same_digest(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MANY", step)
    one = whole()
    pixels = rows.Lazy(one.pixels.shape, lambda i: one.pixels[i * step : (i + 1) * step])
    lazy = replace(one, pixels=pixels)
    assert record.digested(lazy).digest == record.digested(one).digest
    at = np.array([4, 0, 5])
    assert record.of(lazy, at).digest == record.of(one, at).digest
    assert torch.equal(record.in_memory(record.of(lazy, at)).pixels, one.pixels[at])
