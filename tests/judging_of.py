"""Judging in one line for tests: the limit and what it is compared with as keyword arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from shortcut_audit.judging import Comparison, judge, p_value
from shortcut_audit.records import Judgement, Limit


def judged_by(
    values: np.ndarray, control: np.ndarray | None, limit: Limit, **compared: Any
) -> Judgement:
    """`judge` with a `Comparison` of these."""
    return judge(values, control, Comparison(limit.value, **compared))


def p_of(
    values: np.ndarray,
    control: np.ndarray | None,
    limit: Limit,
    tests: float = 1,
    **compared: Any,
) -> float:
    """`p_value` with a `Comparison` of these."""
    return p_value(values, control, Comparison(limit.value, family=tests, **compared))
