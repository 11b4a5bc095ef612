"""What is certain of a share, a direction and a common part: laws, and answers known by hand."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from marked_pictures import noise, reordered

from shortcut_audit.discovery.appearance.standing_out import (
    box_of,
    common_part,
    direction,
    in_order,
    shown_by,
    surely,
)


@given(st.integers(1, 400), st.data())
def test_what_is_certain_is_less_than_what_is_seen_and_grows_with_it(
    n: int, data: st.DataObject
) -> None:
    hits = data.draw(st.integers(0, n))
    certain = surely(np.arange(n + 1), n)
    assert 0 <= certain[hits] <= max(0, hits / n - 0.01)
    assert (np.diff(certain) >= 0).all()
    assert certain[0] == 0


def test_more_pictures_make_the_same_share_surer() -> None:
    shares = [float(surely(np.array(n // 4), n)) for n in (8, 40, 400, 4000)]
    assert shares == sorted(shares)
    assert 0.21 < shares[-1] < 0.24


@given(st.randoms(use_true_random=False))
def test_the_order_follows_from_the_identities_alone(random) -> None:
    pictures = noise(3)
    order = list(range(9))
    random.shuffle(order)
    one, other = in_order(pictures), in_order(reordered(pictures, np.array(order)))
    assert one.ids == other.ids
    assert torch.equal(one.pixels, other.pixels)
    assert (one.labels == other.labels).all()


def test_a_mark_on_a_tenth_is_no_noise_to_the_discriminant() -> None:
    draw = torch.Generator().manual_seed(0)
    own, others = (torch.randn(500, 1, 5, generator=draw) for _ in range(2))
    own[:50, 0, 2] += 10
    weights = direction(own, others, 0.01)[0].abs()
    assert weights.argmax() == 2


def test_the_common_part_is_what_does_not_vary() -> None:
    draw = torch.Generator().manual_seed(0)
    crops, others = (torch.rand(12, 10, 14, 3, generator=draw) for _ in range(2))
    crops[:, 3:8, 4:11] = torch.rand(5, 7, 3, generator=draw)
    crops[:, :, 0], others[:, 0] = torch.nan, 0.5
    found = common_part(crops, others, 0.25)
    rows, columns = box_of(found)
    assert (rows, columns) == (slice(3, 8), slice(4, 11))
    assert not common_part(others, others, 0.25).any()


@given(st.integers(6, 500))
def test_what_is_shown_is_spread_over_the_clearer_pictures(n: int) -> None:
    shown = shown_by(np.arange(n))
    assert len(shown) == min(12, max(6, 3 * n // 4))
    assert shown[0] == 0
    assert (np.diff(shown) > 0).all()
    assert shown[-1] == max(6, 3 * n // 4) - 1
