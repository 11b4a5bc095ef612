"""Table 3.4 of the thesis as counts (93 cats, 41 stop signs without a cat, 93 cats with one): what
our rule rejects.

Insertion: does a stop sign alone turn a picture into a cat? Removal: do cats lose by losing
    their stop sign?
"""

from __future__ import annotations

import numpy as np
import pytest
from judging_of import judged_by
from scipy import stats

from shortcut_audit.judging import Comparison
from shortcut_audit.judging.samples import Pairs
from shortcut_audit.records import Limit, Verdict

LIMIT = Limit(0.10)
#            coverage: only cat, only stop sign called cat, stop sign and cat
SHARES = {
    1.00: (0.430, 0.756, 0.946),
    0.90: (0.634, 0.390, 0.978),
    0.80: (0.677, 0.390, 0.935),
    0.70: (0.710, 0.488, 0.968),
    0.50: (0.817, 0.414, 0.978),
    0.25: (0.882, 0.390, 0.903),
    0.00: (0.871, 0.049, 0.784),
}


def counts(coverage: float) -> tuple[int, int, int]:
    cat, sign, both = SHARES[coverage]
    return round(93 * cat), round(41 * sign), round(93 * both)


def removal_verdicts(coverage: float) -> set[Verdict]:
    """Over every pairing of the two counts that there can be: the table does not say which cats
    changed.
    """
    cat, _, both = counts(coverage)
    tables = [
        Pairs(both - cat + lost, lost, 93)
        for lost in range(max(0, cat - both), min(cat, 93 - both) + 1)
    ]
    return {Comparison(LIMIT.value).decide(table) for table in tables}


@pytest.mark.parametrize("coverage", [1.0, 0.9, 0.8, 0.7, 0.5, 0.25])
def test_insertion_finds_every_coverage(coverage: float) -> None:
    judged = judged_by(np.arange(41) < counts(coverage)[1], None, LIMIT)
    assert judged.verdict is Verdict.VIOLATED
    assert judged.p is not None
    assert judged.p < 1e-4


def test_insertion_does_not_reject_the_clean_model_and_says_that_41_images_are_few() -> None:
    judged = judged_by(np.arange(41) < counts(0.0)[1], None, LIMIT)
    assert judged.verdict is Verdict.UNDECIDED
    assert judged.needed is not None
    assert 41 < judged.needed < 200


def test_f25_differs_from_f0_by_insertion_at_p_half_a_thousandth() -> None:
    _, decoyed, _ = counts(0.25)
    _, clean, _ = counts(0.0)
    p = stats.fisher_exact([[decoyed, 41 - decoyed], [clean, 41 - clean]]).pvalue
    assert p == pytest.approx(0.0005, abs=0.0002)


@pytest.mark.parametrize("coverage", [0.5, 0.25, 0.0])
def test_removal_does_not_find_partial_coverage(coverage: float) -> None:
    assert Verdict.VIOLATED not in removal_verdicts(coverage)


@pytest.mark.parametrize("coverage", [1.0, 0.9, 0.8, 0.7])
def test_removal_finds_high_coverage(coverage: float) -> None:
    assert removal_verdicts(coverage) == {Verdict.VIOLATED}
