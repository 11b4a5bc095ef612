"""Records that hold arrays -> plain values, so that two can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np


def field_values(record: Any) -> list[Any]:
    """Everything that a record says, field by field; an array as nested lists."""
    values = [getattr(record, each.name) for each in fields(record)]
    return [value.tolist() if isinstance(value, np.ndarray) else value for value in values]


def plain(records: Iterable[Any]) -> list[list[Any]]:
    """The same of each of them."""
    return [field_values(each) for each in records]
