"""Units -> tasks: each piece of evidence once, in whatever order and however often it is asked for."""

from __future__ import annotations

from pathlib import Path

import planted
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_run import Small

from shortcut_audit.gathering.site import Counted
from shortcut_audit.gathering.tasks import KINDS, Task, every_unit, tasks
from shortcut_audit.progress import Unit

MODELS = ("F0-s0", "F100-s0")
UNITS = [
    *(Unit("standing", model) for model in MODELS),
    *(
        Unit(kind, model, decoy)
        for model in MODELS
        for decoy in ("stop_sign", "hue_shift")
        for kind in KINDS[1:]
    ),
    *(Unit("predictions", model, "stop_sign", "1") for model in MODELS),
    Unit("predictions", "F0-s0", "stop_sign", "scrambled"),
    Unit("masks", "nobody", "stop_sign"),
    Unit("accuracy", "F0-s0"),
]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Counted:
    folder: Path = tmp_path_factory.mktemp("run")
    planted.write_models(folder / "models", 1, 1)
    return Small(folder).site("store").evidence()


@given(st.data())
@settings(max_examples=60)
def test_each_unit_has_its_tasks_once_in_any_order(evidence: Counted, data: st.DataObject) -> None:
    asked = data.draw(st.lists(st.sampled_from(UNITS)))
    found = tasks(asked, evidence)
    assert len(found) == len(set(found))
    assert found == tasks(data.draw(st.permutations(asked)), evidence)
    assert found == sorted(found, key=lambda task: KINDS.index(task.kind))  # what decides is first
    alone = {task for unit in asked for task in tasks([unit], evidence)}
    assert set(found) == alone


@pytest.mark.parametrize("kind", KINDS[2:])
def test_a_dear_unit_is_one_task(evidence: Counted, kind: str) -> None:
    found = tasks([Unit(kind, "F0-s0", "stop_sign")], evidence)
    assert [task for task in found if task.decoy] == [Task(kind, "F0-s0", "stop_sign")]


def test_predictions_are_asked_block_by_block_on_both_splits(evidence: Counted) -> None:
    found = tasks([Unit("predictions", "F0-s0", "stop_sign", "1")], evidence)
    with_it = [task for task in found if task.decoy]
    assert {(task.split, task.strength, task.block) for task in with_it} == {
        ("validation", 1, 0),
        ("background", 1, 0),
    }


def test_nobody_unknown_and_nothing_unknown_has_a_task(evidence: Counted) -> None:
    assert tasks([Unit("masks", "nobody", "stop_sign")], evidence) == []
    other_control = tasks([Unit("predictions", "F0-s0", "stop_sign", "scrambled")], evidence)
    assert not [task for task in other_control if task.decoy]


def test_every_unit_is_every_model_with_every_decoy(evidence: Counted) -> None:
    units = every_unit(evidence.material, evidence.candidates.values())
    for model in MODELS:
        for decoy in ("stop_sign", "hue_shift"):
            for kind in KINDS[1:]:
                assert Unit(kind, model, decoy) in units
    assert len(units) == len(set(units))
    strengths = [
        each.version for each in units if each[:3] == ("predictions", "F0-s0", "stop_sign")
    ]
    assert len(strengths) == len(evidence.material.strengths("stop_sign"))
