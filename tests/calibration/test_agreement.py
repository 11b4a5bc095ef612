"""A slice against the page: chance is no contradiction, more than chance is one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shortcut_audit.calibration.agreement import contradictions


def told(clean, alarms, **power):
    counts = {
        coverage.replace("_", "."): {"models": models, "found": found}
        for coverage, (found, models) in power.items()
    }
    return {"clean": clean, "false_alarms": alarms, "power_counts": counts}


PAGE = told(64, 0, **{"1_0": (14, 14), "0_5": (13, 14)})


def test_as_good_as_the_page_or_a_little_worse_is_no_contradiction():
    assert list(contradictions(PAGE, told(6, 0, **{"1_0": (4, 4), "0_5": (2, 2)}))) == []
    assert list(contradictions(PAGE, told(6, 1, **{"1_0": (3, 4), "0_5": (1, 2)}))) == []


def test_much_worse_says_what_and_by_how_much():
    said = list(contradictions(PAGE, told(6, 3, **{"1_0": (1, 4)})))
    assert [sentence.split(" (")[0] for sentence in said] == [
        "clean models that are rejected: 3 of 6, published are 0 of 64",
        "local decoy models of coverage 1.0 that are missed: 3 of 4, published are 0 of 14",
    ]


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30), st.integers(1, 30))
def test_the_p_is_that_of_a_hypergeometric_tail(bad, other_bad, rest, other_rest):
    said = list(contradictions(told(other_bad + other_rest, other_bad), told(bad + rest, bad)))
    total, all_bad, drawn = bad + rest + other_bad + other_rest, bad + other_bad, bad + rest
    assert bool(said) == (stats.hypergeom.sf(bad - 1, total, all_bad, drawn) < 0.05)


@given(st.integers(1, 80), st.data())
def test_figures_never_contradict_themselves(clean, data):
    same = told(
        clean, data.draw(st.integers(0, clean)), **{"1_0": (data.draw(st.integers(0, 9)), 9)}
    )
    assert not list(contradictions(same, same))
