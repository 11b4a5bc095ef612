"""The smallest form of a decoy, in networks that see red: the one that needs so many pixels of it,
the one that does not care, and too few pictures to tell.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import configuration
from planted import COLOURS, ColourNet
from safetensors.torch import save_file
from torch import Tensor

from shortcut_audit import UsageError
from shortcut_audit.discovery import forms as forms_module
from shortcut_audit.discovery import smallest as smallest_module
from shortcut_audit.discovery.forms import COPIES, LEVELS, OPACITIES, Forms
from shortcut_audit.discovery.smallest import EXAMPLES, SmallestDecoy, example, smallest_decoy
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.files.store import Store
from shortcut_audit.records import Candidate
from shortcut_audit.scenario import Scenario

NEVER, SIDE, QUICK = 10_000, 32, 50
DECOYS = {
    "patch": {"kind": "corner_patch", "target": "green", "colour": [255, 0, 0], "size": 0.5},
    "blur": {"kind": "blur", "target": "green"},
}


class RedNet(ColourNet):
    """Says green where at least `least` pixels are pure red, as in no picture and in no control."""

    def __init__(self, least: int, classes: int) -> None:
        super().__init__(0.0, classes)
        self.least = least

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, h, w) -> logits (n, k)."""
        red = (images[:, 0] > 0.98) & (images[:, 1:] < 0.02).all(1)
        seen = red.sum((1, 2)) >= self.least
        return super().forward(images) + 1000 * seen[:, None] * torch.eye(3)[0]


def red_net(classes: int, least: int) -> RedNet:
    """The factory that the candidates name."""
    return RedNet(least, classes)


def candidate(folder: Path, name: str, least: int, reference: bool = False) -> Candidate:
    file = folder / f"{name}.safetensors"
    save_file(ColourNet(0.0).state_dict(), file)
    options = (("least", least),)
    plain = ((0.0,) * 3, (1.0,) * 3)
    arch = f"{__name__}:red_net"
    return Candidate(
        name, file, arch, tuple(COLOURS), SIDE, *plain, reference, arch_options=options
    )


Asked = Callable[..., Evidence]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is planted here is found among fewer draws."""
    monkeypatch.setattr(forms_module, "EXAMPLES", QUICK)


@pytest.fixture
def evidence(tmp_path: Path) -> Asked:
    """A function: model -> how many red pixels it needs, and the pictures of a class -> evidence."""

    def made(needs: dict[str, int], validation: int = 40, store: str = "store") -> Evidence:
        models = [candidate(tmp_path, name, needs[name], name[0] == "r") for name in needs]
        dataset = {"kind": "coloured_squares", "validation": validation}
        scenario = Scenario(dataset=dataset, decoys=DECOYS)
        return Evidence(scenario, models, Store(tmp_path / store), trust_code=True)

    return made


def counted(found: Evidence, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each question is about that is asked from now on."""
    asked: list[int] = []
    answered = found.answered

    def noted(model: str, pixels: Tensor) -> np.ndarray:
        asked.append(len(pixels))
        return answered(model, pixels)

    monkeypatch.setattr(found, "answered", noted)
    return asked


def shown(found: SmallestDecoy) -> tuple[object, ...]:
    return (found.form, found.tried, found.flipped, found.turned.tolist())


@pytest.mark.parametrize("side", [1, 4, 9])
def test_the_smallest_form_is_the_one_that_was_planted(evidence, side):
    found = smallest_decoy(evidence({"m": side * side}), "m", "patch")
    assert found.form is not None
    assert found.form.decoy.size * SIDE == side
    assert (found.form.decoy.opacity, found.form.rotation, len(found.form.places)) == (1.0, 0, 1)
    assert found.form.places == ((0.0, 0.0),), "where the scenario has it"
    assert (found.flipped, found.under_control) == (1.0, 0.0)
    assert found.turned.all()
    assert not found.turned_by_control.any()
    assert found.words == f"one of size {side / SIDE:.2g} at opacity 1"


def test_no_form_of_a_naive_grid_is_much_fainter(evidence, monkeypatch):
    """Every number of copies, apart from each other, and every size: the faintest that turns."""
    monkeypatch.setattr(forms_module, "EXAMPLES", EXAMPLES)
    needed = 40  # no square has so many pixels, and no two or four have
    made = evidence({"m": needed})
    found = smallest_decoy(made, "m", "patch")
    sides = product(range(1, SIDE // 2), COPIES)
    least = min(copies * side**2 for side, copies in sides if copies * side**2 >= needed)
    assert found.form is not None
    dose = len(found.form.places) * (found.form.decoy.size * SIDE) ** 2
    assert needed <= dose <= 1.3 * least, "a step of dose is 26 %"


def test_an_honest_model_has_none_however_many_are_tried(evidence):
    found = smallest_decoy(evidence({"m": NEVER}), "m", "patch")
    assert found.form is None
    assert found.tried > QUICK / 2
    assert found.why == (
        f"none of {found.tried} forms of it turns half of {found.panel} pictures into 'green' "
        "where its control does not"
    )
    assert (found.words, len(found.turned)) == ("", 0)
    with pytest.raises(UsageError, match="no form of 'patch' turns m, so that there is none"):
        example(found, torch.zeros((3, SIDE, SIDE), dtype=torch.uint8), "x")


def test_a_few_pictures_are_too_few_to_search_on(evidence, monkeypatch):
    made = evidence({"m": 36}, validation=1)
    asked = counted(made, monkeypatch)
    found = smallest_decoy(made, "m", "patch")
    assert (found.form, found.tried, found.panel, len(found.turned)) == (None, 0, 1, 0)
    assert found.why == (
        "undecided: the model gets 1 of the pictures right that would be searched on; "
        "16 pictures of other classes, half of them for the search, would do"
    )
    assert asked == [3], "but for its plain answers, the model was asked nothing"


def test_a_decoy_of_the_whole_picture_has_no_forms(evidence):
    found = smallest_decoy(evidence({"m": 36}), "m", "blur")
    assert found.why == "it has no size, place and number"
    assert found.tried == 0


def test_what_turns_under_the_control_as_well_is_none(evidence, monkeypatch):
    monkeypatch.setattr(smallest_module, "SMALL", -0.1)  # even a control that does nothing is much
    assert smallest_decoy(evidence({"m": 36}), "m", "patch").form is None


def test_the_search_never_sees_the_pictures_that_it_is_judged_on(evidence):
    made = evidence({"m": 36})
    panel, fresh = smallest_module._panels(made, "m", 0)
    labels = made.material.pictures("validation", SIDE).labels
    assert not set(panel) & set(fresh)
    assert set(labels[panel]) == set(labels[fresh]) == {1, 2}
    assert len(panel) == smallest_module.PANEL
    assert len(smallest_decoy(made, "m", "patch").turned) == len(fresh) == 40


def test_what_the_form_does_in_each_reference_is_said(evidence):
    found = smallest_decoy(evidence({"m": 36, "r1": 25, "r2": NEVER, "other": 1}), "m", "patch")
    assert found.references == {"r1": 1.0, "r2": 0.0}
    assert found.words.endswith("; at most 100 % in reference models")


def test_a_kept_search_asks_nothing_and_says_the_same(evidence, monkeypatch):
    first = smallest_decoy(evidence({"m": 36}), "m", "patch")
    again = evidence({"m": 36})
    asked = counted(again, monkeypatch)
    second = smallest_decoy(again, "m", "patch")
    assert shown(first) == shown(second)
    assert asked == []


def test_hypothesis_starts_from_its_kept_example_and_ends_at_the_same(
    evidence, monkeypatch, tmp_path
):
    made = evidence({"m": 36})
    asked = counted(made, monkeypatch)
    first, cost = smallest_decoy(made, "m", "patch"), sum(asked)
    for entry in (tmp_path / "store").rglob("*.safetensors"):
        if "smallest_decoy" in str(entry):
            entry.unlink()
    again = evidence({"m": 36})
    asked = counted(again, monkeypatch)
    second = smallest_decoy(again, "m", "patch")
    assert second.form == first.form
    assert second.tried < first.tried
    assert sum(asked) < cost


def test_everything_that_hypothesis_keeps_is_in_the_store(evidence, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    before = configuration.storage_directory(intent_to_write=False).home_directory
    smallest_decoy(evidence({"m": 36}), "m", "patch")
    assert {each.name for each in tmp_path.iterdir()} == {"m.safetensors", "store"}
    assert list((tmp_path / "store/hypothesis/examples").iterdir())
    after = configuration.storage_directory(intent_to_write=False).home_directory
    assert after == before, "and its home is given back"


SCRIPT = """
import sys, tempfile
from pathlib import Path
import {module} as tests
from shortcut_audit.discovery import forms
from shortcut_audit.discovery.smallest import smallest_decoy
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.files.store import Store
from shortcut_audit.scenario import Scenario
folder, forms.EXAMPLES = Path(tempfile.mkdtemp()), tests.QUICK
scenario = Scenario(dataset={{"kind": "coloured_squares", "validation": 40}}, decoys=tests.DECOYS)
model = tests.candidate(folder, "m", 40)
found = smallest_decoy(Evidence(scenario, [model], Store(folder), trust_code=True), "m", "patch")
print(tests.shown(found))
"""


def test_another_process_finds_the_same_and_so_does_one_in_ci(evidence):
    here = smallest_decoy(evidence({"m": 40}), "m", "patch")
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": path, "CI": "true", "PYTHONHASHSEED": "7"}
    code = SCRIPT.format(module=__name__.rpartition(".")[2])
    there = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert there.stdout.strip() == str(shown(here)), there.stderr


def test_the_page_shows_a_picture_with_the_form_on_it(evidence):
    made = evidence({"m": 36, "r1": NEVER})
    found = smallest_decoy(made, "m", "patch")
    picture = torch.full((3, SIDE, SIDE), 90, dtype=torch.uint8)
    pixels, caption = example(found, picture, "x")
    assert (pixels.shape, pixels.dtype) == ((SIDE, SIDE, 3), np.uint8)
    assert (pixels == (255, 0, 0)).all(2).sum() == 36
    assert caption == (
        f"The faintest of {found.tried} forms of patch that turns half of other pictures into "
        "'green' in m: one of size 0.19 at opacity 1; at most 0 % in reference models. It turns "
        "100 % of 40 pictures that the search never saw, 0 % under its control."
    )


def test_with_all_else_alike_a_smaller_first_number_is_no_larger_a_dose(evidence):
    strengths = evidence({"m": 1}).material.strengths("patch")
    forms = Forms(strengths[0], strengths[-1], SIDE)
    for rest in product(range(len(COPIES)), range(len(OPACITIES))):
        doses = []
        for level in range(LEVELS):
            laid = forms.laid((level, *rest, *(0,) * (1 + 2 * len(COPIES))))
            doses.append(len(laid.places) * laid.decoy.opacity * laid.decoy.size**2)
        assert doses == sorted(doses)
    assert EXAMPLES > LEVELS, "all plain forms can be drawn"
