"""A scenario that names no decoys has nothing to look for, and so nobody is promoted by it."""

from __future__ import annotations

import pytest

NOTHING_NAMED = "the scenario names no decoy, so that nothing was looked for: add one to 'decoys'"


@pytest.mark.parametrize("decoys", ["", "decoys: {}\n"])
@pytest.mark.parametrize(
    "blocking",
    ["[decoy_insertion]", "[rashomon_membership]", "[decoy_insertion, rashomon_membership]"],
)
def test_nobody_is_promoted(repository, decoys, blocking):
    made = repository(clean=3)
    (made.path / "scenario.yaml").write_text(
        f"dataset: {{kind: coloured_squares}}\n{decoys}blocking: {blocking}\n"
    )
    result = made.audit()
    assert result.ret == 1
    assert set(made.verdicts().values()) == {"undecided"}
    for name, model in made.verdict()["models"].items():
        assert model["sentence"] == f"{name}: {NOTHING_NAMED}"
    result.stdout.fnmatch_lines([f"*undecided: F0-s0: {NOTHING_NAMED}*"])
    result.stdout.no_fnmatch_line("*Error*")
