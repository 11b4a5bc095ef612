"""The examples in docs/judging.md are computed, not typed."""

from __future__ import annotations

import doctest
from pathlib import Path


def test_the_page_says_what_the_code_does() -> None:
    page = Path(__file__).parents[2] / "docs" / "judging.md"
    result = doctest.testfile(str(page), module_relative=False)
    assert result.failed == 0
    assert result.attempted >= 10
