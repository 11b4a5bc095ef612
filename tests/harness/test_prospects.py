"""What an audit can come to is said before it begins, and is what it then comes to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from judging_of import judged_by

from shortcut_audit.harness.course.prospects import foreseen, prospects
from shortcut_audit.records import Candidate, Limit, Verdict
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.datasets.demo import Demo


def scenario(
    each: int = 100, blocking: tuple[str, ...] = ("decoy_insertion", "rashomon_membership")
) -> Scenario:
    decoys = {"stop_sign": {"target": "cat"}, "copyright_tag": {"target": "fish"}}
    return Scenario(dataset={"kind": "demo", "validation": each}, decoys=decoys, blocking=blocking)


def models(references: int, others: int = 1) -> list[Candidate]:
    return [
        Candidate(f"m{i}", Path(f"m{i}"), reference=i < references)
        for i in range(references + others)
    ]


@pytest.mark.parametrize(("each", "passes"), [(7, False), (8, True)])
def test_28_pictures_cannot_pass_anybody_and_32_can(each: int, passes: bool) -> None:
    lines = foreseen(scenario(each), models(0))
    assert lines[0].startswith(
        "can find: decoy_insertion"
        if passes
        else "NO MODEL CAN PASS decoy_insertion with stop_sign"
    )
    if not passes:
        assert (
            "28 pictures of other classes are too few: about 29 images in all would decide"
            in lines[0]
        )


def test_the_effect_that_is_said_is_the_one_that_a_judgement_finds() -> None:
    one = next(
        each
        for each in prospects(scenario(), {"cat": 100, "fish": 100, "car": 100}, 4, 0)
        if each.decoy == "stop_sign"
    )
    assert (one.n, one.judgement.verdict) == (200, Verdict.HOLDS)
    found = one.judgement.detectable
    assert found is not None
    values = np.arange(200) < round(200 * (found + 0.08))
    seen = judged_by(
        values,
        np.zeros(200, bool),
        Limit(0.1),
        references=[0.0] * 4,
        siblings=[1.0],
        family=1 / 0.8,
    )
    assert seen.verdict is Verdict.VIOLATED


def test_references_say_what_they_are_good_for() -> None:
    assert foreseen(scenario(), models(4))[1].endswith("is innocent where 4 show it too")
    assert foreseen(scenario(), models(4, others=0))[1].endswith(
        "is innocent where 3 show it too"
    ), "none stands beside itself"
    assert (
        "is compared with no other, and only 3 or more can show"
        in foreseen(scenario(), models(0))[1]
    )


def test_masks_and_a_decoy_without_a_class() -> None:
    asked = scenario(blocking=("decoy_insertion", "mask_localisation"))
    asked = asked.model_copy(update={"decoys": {"stop_sign": {"target": "any"}}})
    masks = next(
        each
        for each in prospects(asked, {"cat": 20, "fish": 100}, 0, 3)
        if each.audit == "mask_localisation"
    )
    assert (masks.n, masks.of) == (20, "masks")


@pytest.mark.parametrize("kind", ["demo", "image_folder", "imagenet10", "coco"])
def test_the_head_of_a_run_costs_no_torch(kind: str) -> None:
    """Whoever only lists the cases does not wait for it."""
    code = f"""
import sys
from shortcut_audit.harness.course.prospects import foreseen
from shortcut_audit.scenario import Scenario
foreseen(Scenario(dataset={{"kind": "{kind}"}}, decoys={{"stop_sign": {{"target": "cat"}}}}), [])
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert (
        foreseen(
            Scenario(
                dataset={"kind": "image_folder", "validation": "nowhere"}, decoys=scenario().decoys
            ),
            models(0),
        )
        == []
    )
    assert foreseen(scenario(blocking=("rashomon_membership",)), models(0)) == []


def test_a_data_set_of_somebodys_own_that_breaks_is_no_crash_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Demo, "class_counts", lambda *_: 1 / 0)
    assert foreseen(scenario(), models(0)) == []
    monkeypatch.setattr(Demo, "class_counts", 20)  # a field that happens to have the name
    assert foreseen(scenario(), models(0)) == []
