"""What an audit can ask for, and what a scenario must ask for first."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from shortcut_audit.harness.kinds import KINDS, OF_A_DECOY, not_asked_for


@pytest.mark.parametrize(
    ("wanted", "smallest", "line"),
    [
        ({"predictions", "decoy", "limits"}, False, ""),
        ({"smallest_decoy", "limits", "request"}, False, "smallest: true"),
        ({"smallest_decoy", "limits", "request"}, True, ""),
    ],
)
def test_what_costs_much_is_asked_for_by_the_scenario(wanted, smallest, line):
    assert not_asked_for(wanted, SimpleNamespace(smallest=smallest)) == line


def test_a_scenario_that_has_no_such_key_does_not_ask():
    assert not_asked_for({"smallest_decoy"}, SimpleNamespace()) == "smallest: true"


def test_each_kind_says_what_it_is():
    assert all(kind.about.endswith(".") for kind in KINDS.values())
    assert "smallest_decoy" in OF_A_DECOY
