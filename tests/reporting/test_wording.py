"""A claim's words, filled in."""

from __future__ import annotations

import pytest

from shortcut_audit import UsageError
from shortcut_audit.reporting.wording import filled

WORDS = {"model": "net", "effect": "9 %"}


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("{model} shows {effect}", "net shows 9 %"),
        ("a {{model}} is {model}", "a {model} is net"),
        ("better than net-{epoch}, {effect}", "better than net-{epoch}, 9 %"),
        ("a lone { or } stays", "a lone { or } stays"),
    ],
)
def test_words_are_filled_in_and_names_stay(claim, said):
    assert filled(claim, WORDS, ["net-{epoch}"]) == said


@pytest.mark.parametrize("claim", ["{efect}", "{}", "{0}"])
def test_a_word_that_there_is_not(claim):
    with pytest.raises(UsageError, match="a claim asks for"):
        filled(claim, WORDS, ["net-{epoch}"])
