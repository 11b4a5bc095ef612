"""The pizza of the thesis (section 4.1): two masks of 5 % fit into one large object, and no decoy
draws them.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from judging_of import judged_by

from shortcut_audit.harness.audit import Audit
from shortcut_audit.measures.masks import similarity
from shortcut_audit.observations import Masks
from shortcut_audit.records import Judgement, Limit, Verdict

SIDE, SQUARE, N = 32, 7, 60  # a mask of 7 x 7 is 5 % of 32 x 32
LIMIT = Limit(0.20)


def at(places: np.ndarray) -> np.ndarray:
    """(n, h, w) bool: a square with its top left corner at each of (n, 2) places."""
    masks = np.zeros((len(places), SIDE, SIDE), bool)
    for mask, (row, column) in zip(masks, places, strict=True):
        mask[row : row + SQUARE, column : column + SQUARE] = True
    return masks


def judged(first: list[np.ndarray], second: list[np.ndarray]) -> Judgement:
    """The shipped audit on two models' masks: plain, decoyed, control."""
    path = Path(__file__).parents[2] / "audits/test_mask_agreement.py"
    spec = importlib.util.spec_from_file_location("mask_agreement", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pizza = np.zeros((N, SIDE, SIDE), bool)
    pizza[:, 2:30, 2:30] = True
    footprint = at(np.zeros((N, 2), int))
    audit = Audit()
    pair = [
        Masks(*(at(places) for places in each), footprint, pizza, 0.05, np.arange(N))
        for each in (first, second)
    ]
    module.test_mask_agreement(None, pair, SimpleNamespace(agreement=LIMIT.value), audit)
    found = audit.measurements[0]
    return judged_by(found.values, found.control, found.limit)


def anywhere(rng: np.random.Generator) -> np.ndarray:
    """(n, 2) places of a mask somewhere on the pizza."""
    return rng.integers(2, 24, (N, 2))


@pytest.mark.parametrize("seed", range(5))
def test_two_masks_anywhere_on_one_pizza_do_not_fire(seed):
    rng = np.random.default_rng(seed)
    first, second = ([anywhere(rng) for _ in range(3)] for _ in range(2))
    assert similarity(at(first[1]), at(second[1])).mean() < 0.2, (
        "they hardly overlap, and that proves nothing"
    )
    assert judged(first, second).verdict is Verdict.HOLDS


def test_two_masks_side_by_side_on_one_pizza_do_not_fire_though_they_never_overlap():
    rng = np.random.default_rng(0)
    left, right = rng.integers((2, 2), (24, 9), (N, 2)), rng.integers((2, 16), (24, 24), (N, 2))
    assert not similarity(at(left), at(right)).any()
    assert judged([left] * 3, [right] * 3).verdict is Verdict.HOLDS


def test_one_that_leaves_the_pizza_for_the_decoy_does_fire():
    rng = np.random.default_rng(0)
    shared = anywhere(rng)
    found = judged([shared, np.zeros((N, 2), int), shared], [shared] * 3)
    assert found.verdict is Verdict.VIOLATED
    assert found.estimate.value > 0.8
