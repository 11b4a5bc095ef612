"""Every shipped audit has three known answers: HOLDS on honest models, VIOLATED on a planted one,
UNDECIDED on too few images.
"""

from __future__ import annotations

from pathlib import Path

import pytest

# four channels cannot learn to see nothing but the decoy: tests/judging/test_trust.py
ELSEWHERE = {"explainer_sanity"}
SHIPPED = sorted(
    {
        path.stem.removeprefix("test_")
        for path in (Path(__file__).parents[2] / "audits").glob("test_*.py")
    }
    - ELSEWHERE
)
NEVER_PLANTED = {  # what red squares cannot violate, and why
    "decoy_removal": "the planted model also sees the square, so that it does not need the sign",
    "rashomon_membership": "the planted model is as accurate as the others",
    "influence_precision@150": "forty of the training images carry the sign",
    "influence_precision@100": "forty of the training images carry the sign",
    "rank_correlation": "the order within the images with the sign is noise",
}
# the planted model does its task, and turns pictures into one class
UNNAMED = {"above_chance", "decoy_insertion@elsewhere"}


@pytest.fixture
def findings(repository, monkeypatch):
    """A function: how many images, which models -> every finding of every shipped audit; the masks
    are taken at their word.
    """
    monkeypatch.setattr("shortcut_audit.harness.judge.distrusted", lambda *_: "")

    def run(**how):
        made = repository(**how)
        made.use(*SHIPPED)
        made.audit()
        document = made.verdict()
        return [
            row for model in document["models"].values() for row in model["findings"]
        ] + document["pairs"]

    return run


def test_honest_holds_and_planted_is_violated(findings):
    rows = findings(clean=3)
    assert not [row["claim"] for row in rows if row["error"]]
    suspect = [row for row in rows if "F100-s0" in row["subjects"]]
    assert not [row["claim"] for row in rows if row not in suspect and row["verdict"] != "HOLDS"]
    audits = {row["audit"] for row in rows}
    violated = {row["audit"] for row in suspect if row["verdict"] == "VIOLATED"}
    assert audits - violated == NEVER_PLANTED.keys() | UNNAMED


def test_too_few_images_decide_nothing(findings):
    rows = findings(clean=2, planted=0, validation=4, more="influence: {queries: 4}")
    # twelve right answers out of twelve are no chance
    rows = [row for row in rows if row["audit"] != "above_chance"]
    decided = {row["audit"] for row in rows if row["verdict"] != "UNDECIDED" and row["n"] < 40}
    assert not decided
    assert all(
        "would decide" in row["claim"] or "more images would not decide" in row["claim"]
        for row in rows
        if row["n"] < 40
    )
