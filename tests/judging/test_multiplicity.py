"""Holm and Benjamini-Hochberg against statsmodels, and their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from shortcut_audit.judging.multiplicity import adjusted, holm

ps = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@settings(max_examples=8, deadline=None)
@given(ps)
def test_both_are_statsmodels(raw: list[float]) -> None:
    assert holm(raw) == pytest.approx(multipletests(raw, method="holm")[1])


@given(ps)
def test_holm_lies_between_raw_and_bonferroni_and_keeps_the_order(raw: list[float]) -> None:
    stepped = holm(raw)
    assert (stepped >= np.array(raw)).all()
    assert (stepped <= np.minimum(1, np.array(raw) * len(raw)) + 1e-12).all()
    assert (np.diff(stepped[np.argsort(raw)]) >= 0).all()


@given(ps, st.randoms())
def test_holm_does_not_depend_on_the_order(raw: list[float], random: object) -> None:
    order = list(range(len(raw)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert holm([raw[i] for i in order]) == pytest.approx(holm(raw)[order])


@given(ps, st.data())
def test_a_larger_p_never_lowers_an_adjusted_one(raw: list[float], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(raw) - 1))
    grown = [*raw[:at], data.draw(st.floats(raw[at], 1)), *raw[at + 1 :]]
    assert (holm(grown) >= holm(raw) - 1e-12).all()


@given(ps)
def test_holm_rejects_what_the_step_down_procedure_does(raw: list[float]) -> None:
    """The definition: from the smallest p on, reject while p <= 0.05 / (number left)."""
    rejected, order = [False] * len(raw), np.argsort(raw, kind="stable")
    for place, i in enumerate(order):
        if raw[i] * (len(raw) - place) > 0.05:
            break
        rejected[i] = True
    assert (holm(raw) <= 0.05).tolist() == rejected


@given(st.floats(0, 1), ps, st.integers(1, 5))
def test_company_never_makes_a_p_smaller(p: float, siblings: list[float], family: int) -> None:
    assert adjusted(p, [], 1) == p
    assert p <= adjusted(p, siblings, family) <= 1
    assert adjusted(p, siblings, family) <= adjusted(p, [*siblings, 0.5], family)


def test_no_p_at_all() -> None:
    assert len(holm([])) == 0


def test_holm_keeps_the_promise_over_a_family() -> None:
    """Eight true nulls: any of them adjusted below 0.05 in at most 5 % of runs (3 standard errors
    above at most).
    """
    runs = np.random.default_rng(0).random((2000, 8))
    alarms = np.mean([holm(run).min() < 0.05 for run in runs])
    assert 0.03 < alarms < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
