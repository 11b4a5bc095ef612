"""More tests never make a pass: what the correction alone kept from a rejection is not excused."""

from __future__ import annotations

import numpy as np
import pytest
from judging_of import judged_by

from shortcut_audit import at_most
from shortcut_audit.harness.judge import _violated_but_for_the_correction
from shortcut_audit.records import Verdict

CONTROL = np.zeros(100, bool)


@pytest.mark.parametrize(
    ("events", "references", "why", "kept"),
    [
        (25, (0.05, 0.08, 0.02), "p is 0.014, and 0.13 among nine", True),
        (25, (0.05, 0.14, 0.02), "p is 0.06: clean models lie too far apart", False),
        (14, (0.0, 0.001, 0.002), "p is 0.01, but the near end is inside the limit", False),
    ],
)
def test_what_only_the_correction_kept_from_a_rejection_is_known(events, references, why, kept):
    judged = judged_by(
        np.arange(100) < events, CONTROL, at_most(0.1), references=references, family=9
    )
    assert judged.verdict is Verdict.UNDECIDED
    assert _violated_but_for_the_correction(judged) is kept, why
    alone = judged_by(np.arange(100) < events, CONTROL, at_most(0.1), references=references)
    assert (alone.verdict is Verdict.VIOLATED) is kept


def test_where_nothing_could_be_measured_there_was_no_rejection_to_keep():
    assert not _violated_but_for_the_correction(judged_by(np.zeros(0), None, at_most(0.1)))
