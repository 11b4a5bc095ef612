"""Evidence belongs to a file as it is read: the same bytes, read in another way, are asked anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from planted import COLOURS, ColouredSquares, ColourNet
from safetensors.torch import save_file

from shortcut_audit.evidence import answers as answers_module
from shortcut_audit.evidence.answers import Answers
from shortcut_audit.files.store import Store
from shortcut_audit.records import Candidate
from shortcut_audit.scenario import Scenario

READINGS = {
    "its classes in another order": {"classes": ("blue", "yellow", "green")},
    "another mean": {"mean": (0.4, 0.1, 0.2)},
    "another std": {"std": (0.5, 0.6, 0.7)},
    "another size": {"size": 48},
    "an option of the architecture": {"arch_options": (("gain", 2.0),)},
    "another architecture": {"arch": f"{__name__}:inverted"},
}
# no size: this network takes any, and its answers to the same pixels are the same
WITH_OTHER_ANSWERS = READINGS.keys() - {"another size"}
PIXELS = torch.randint(
    0, 256, (6, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
)


def net(classes: int, gain: float = 1.0) -> ColourNet:
    """The factory that the candidates name: `gain` is a way of computing, and no weight."""
    made = ColourNet(0.0, classes)
    made.register_forward_hook(lambda _module, _given, logits: gain * logits)
    return made


def inverted(classes: int) -> ColourNet:
    """Another network with the very same weights."""
    return net(classes, gain=-1.0)


@pytest.fixture
def candidate(tmp_path: Path) -> Candidate:
    file = tmp_path / "net.safetensors"
    save_file(ColourNet(0.0).state_dict(), file)
    return Candidate("net", file, f"{__name__}:net", tuple(COLOURS), 32, (0.0,) * 3, (1.0,) * 3)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Candidate]:
    """Every model that was loaded so far."""
    seen: list[Candidate] = []
    load = answers_module.load_subject

    def noted(candidate: Candidate, *arguments, **named):
        seen.append(candidate)
        return load(candidate, *arguments, **named)

    monkeypatch.setattr(answers_module, "load_subject", noted)
    return seen


def asked(candidate: Candidate, store: Path, device: str = "cpu") -> Answers:
    scenario = Scenario(
        dataset={"kind": "coloured_squares", "validation": 4, "background": 4},
        decoys={"stop_sign": {"target": "green"}},
        masks={"explainer": "saliency"},
    )
    return Answers(scenario, [candidate], Store(store), device, trust_code=True)


def said(candidate: Candidate, store: Path) -> list[np.ndarray]:
    """What the model answers to the pixels, and what it needs to see of them for the first class."""
    answers = asked(candidate, store)
    return [answers.logits("net", PIXELS), answers.revealed("net", PIXELS, 0)]


@pytest.mark.parametrize("way", READINGS)
def test_what_is_kept_of_one_reading_is_not_served_for_another(candidate, loaded, tmp_path, way):
    first, other = candidate, replace(candidate, **READINGS[way])
    kept = said(first, tmp_path / "kept")
    assert len(loaded) == 1
    found = said(other, tmp_path / "kept")
    assert loaded[1:] == [other], "its answers were taken from the first reading"
    for served, own in zip(found, said(other, tmp_path / "new"), strict=True):
        np.testing.assert_array_equal(served, own)
    assert (way in WITH_OTHER_ANSWERS) is not np.array_equal(kept[0], found[0])


def test_what_is_kept_is_served_for_the_same_reading(candidate, loaded, tmp_path):
    """By whatever name, and from whatever folder."""
    kept = said(candidate, tmp_path / "kept")
    moved = replace(candidate, file=tmp_path / "other.safetensors", reference=True)
    moved.file.write_bytes(candidate.file.read_bytes())
    for first, again in zip(kept, said(moved, tmp_path / "kept"), strict=True):
        np.testing.assert_array_equal(first, again)
    assert loaded == [candidate]


def test_what_is_kept_is_not_served_for_other_bytes_of_the_same_name(candidate, loaded, tmp_path):
    said(candidate, tmp_path / "kept")
    save_file(ColourNet(2000.0).state_dict(), candidate.file)
    for served, own in zip(
        said(candidate, tmp_path / "kept"), said(candidate, tmp_path / "new"), strict=True
    ):
        np.testing.assert_array_equal(served, own)
    assert len(loaded) == 3


def test_the_data_set_s_order_of_classes_is_part_of_the_reading(
    candidate, loaded, tmp_path, monkeypatch
):
    kept = said(candidate, tmp_path / "kept")[0]
    monkeypatch.setattr(ColouredSquares, "classes", tuple(reversed(COLOURS)))
    np.testing.assert_array_equal(said(candidate, tmp_path / "kept")[0], kept[:, ::-1])
    assert len(loaded) == 2


def test_the_kind_of_device_is_part_of_the_reading(candidate, tmp_path):
    digests = {asked(candidate, tmp_path, device).digest("net") for device in ("cpu", "cuda:0")}
    assert len(digests) == 2
