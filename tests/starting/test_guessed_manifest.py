"""What is guessed of checkpoints, how it is marked, and that the loader reads it as it was meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from folders import COLOURS, draw_classes, save_small
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from shortcut_audit.files.yaml_files import parsed
from shortcut_audit.records import Candidate
from shortcut_audit.starting import fitting as fitting_module
from shortcut_audit.starting import reading
from shortcut_audit.starting.found import files_below, folders_of_pictures
from shortcut_audit.starting.guessing import guesses_of
from shortcut_audit.starting.manifest import FILL_IN, commented, manifest_text
from shortcut_audit.starting.said import said_classes, said_normalisation, said_size
from shortcut_audit.starting.trial import Sample, sample_of
from shortcut_audit.subjects.loading.small_resnet import SmallResnet
from shortcut_audit.subjects.loading.subject import load_subject
from shortcut_audit.subjects.manifest.candidates import read_candidates

CLASSES = tuple(sorted(COLOURS))


@pytest.fixture(autouse=True)
def _own_alone(monkeypatch):
    """Only the small ResNet is compared, so that the tests are quick."""
    monkeypatch.setattr(fitting_module, "SOURCES", ("shortcut_audit",))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def written(tmp_path, models):
    """Writes the manifest of what is in `models`; gives its text and the candidates read back."""

    def write(pictures: bool = True) -> tuple[str, list[Candidate]]:
        found = None
        if pictures:
            draw_classes(tmp_path / "photos/val")
            found = folders_of_pictures(tmp_path / "photos", files_below(tmp_path / "photos"))
        sample = sample_of(found) if found else None
        text = manifest_text(models, guesses_of(read_candidates(models), found, sample))
        (models / "rashomon.yaml").write_text(text)
        return text, read_candidates(models)

    return write


def comments(text: str) -> dict[str, str]:
    """Key -> the comment behind it."""
    found = {}
    for line in text.splitlines():
        key, _, rest = line.strip().partition(": ")
        if "  # " in rest:
            found[key] = rest.split("  # ")[1]
    return found


def test_bare_tensors_are_described_and_load_as_they_are_described(models, written):
    save_small(models / "a.pt", 0)
    save_small(models / "b.pt", 1)
    text, candidates = written()
    assert [each.name for each in candidates] == ["a", "b"]
    for each in candidates:
        assert each.problem is None
        assert (each.arch, each.classes) == ("shortcut_audit:small_resnet", CLASSES)
        assert load_subject(each, CLASSES).classes == CLASSES
    said = comments(text)
    for key in ("arch", "classes", "size", "mean"):
        assert said[key].startswith("guessed from "), key
        assert said[key].endswith(": check it"), key
    assert "of 12 pictures" in said["a"]


def test_what_a_file_says_of_itself_is_no_guess(models, written):
    torch.manual_seed(0)
    words = {
        "arch": "shortcut_audit:small_resnet",
        "classes": json.dumps(CLASSES),
        "input": json.dumps({"size": 48, "mean": [0.1, 0.2, 0.3], "std": [0.2, 0.2, 0.2]}),
        "reference": "true",
    }
    models.mkdir()
    save_file(SmallResnet(3).state_dict(), models / "F0.safetensors", metadata=words)
    text, (candidate,) = written()
    assert "guessed" not in text
    assert (candidate.size, candidate.mean) == (48, (0.1, 0.2, 0.3))
    assert candidate.reference


def test_words_beside_the_tensors_name_classes_and_size(models, written):
    torch.manual_seed(0)
    models.mkdir()
    content = {
        "state_dict": SmallResnet(3).state_dict(),
        "class_to_idx": {"tulip": 0, "rose": 1, "daisy": 2},
        "args": {"img_size": 40},
    }
    torch.save(content, models / "a.pt")
    text, (candidate,) = written()
    assert candidate.classes == ("tulip", "rose", "daisy")
    assert candidate.size == 40
    assert set(comments(text)) & {"classes", "size"} == set()


def test_a_number_of_outputs_that_no_folder_explains_is_to_be_filled_in(models, written):
    save_small(models / "a.pt", classes=10)
    text, (candidate,) = written()
    said = comments(text)["classes"]
    assert candidate.classes == (FILL_IN,)
    assert "fill in a name for each output, in their order; the file has 10 outputs" in said
    assert "has 3 class folders" in said
    with pytest.raises(Exception, match="the file has 10 outputs, and 1 class"):
        load_subject(candidate)


def test_a_network_of_ones_own_is_to_be_filled_in_and_the_error_leads_on(models, written):
    models.mkdir()
    torch.save(nn.Sequential(nn.Linear(4, 3)).state_dict(), models / "own.pt")
    text, (candidate,) = written()
    assert candidate.arch == FILL_IN
    assert "package.module:factory" in comments(text)["arch"]
    with pytest.raises(Exception, match="arch 'FILL_IN' must be SOURCE:NAME"):
        load_subject(candidate)


def test_one_model_of_another_kind_has_keys_of_its_own(models, written):
    save_small(models / "a.pt")
    torch.save({"w": torch.zeros(3, 4), "v": torch.zeros(3, 4)}, models / "b.pt")
    text, (good, odd) = written()
    assert (good.arch, odd.arch) == ("shortcut_audit:small_resnet", FILL_IN)
    assert yaml.safe_load(text)["models"]["b"]["arch"] == FILL_IN
    assert good.classes == odd.classes == CLASSES


def test_a_file_that_asks_for_code_is_named_and_runs_none(models, written, tmp_path):
    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    models.mkdir()
    torch.save({"weights": Hostile()}, models / "bad.pt")
    text, _ = written()
    assert "'bad.pt' is refused: it asks to run" in text
    assert not (tmp_path / "ran").exists()


def test_without_pictures_the_classes_are_to_be_filled_in_and_the_size_is_the_usual_one(
    models, written
):
    save_small(models / "a.pt")
    text, (candidate,) = written(pictures=False)
    assert candidate.classes == (FILL_IN,)
    assert candidate.size == 64
    assert "usual input" in comments(text)["size"]


@pytest.mark.parametrize(
    ("right", "chosen"), [({32: 12}, 32), ({64: 7, 96: 8}, 64), ({64: 7, 96: 9}, 96)]
)
def test_another_size_is_taken_only_where_it_is_clearly_better(
    models, written, right, chosen, monkeypatch
):
    monkeypatch.setattr(Sample, "right", lambda self, subject: (right.get(subject.size, 0), 12))
    save_small(models / "a.pt")
    _, (candidate,) = written()
    assert candidate.size == chosen


def test_another_normalisation_is_taken_only_where_it_is_clearly_better(
    models, written, monkeypatch
):
    wanted = reading.NORMALISATIONS[0]

    def right(self, subject):
        return (12 if tuple(subject.network.mean.flatten().tolist()) == wanted[0] else 6), 12

    monkeypatch.setattr(Sample, "right", right)
    save_small(models / "a.pt")
    text, (candidate,) = written()
    assert (candidate.mean, candidate.std) == wanted
    assert "12 of them right with these, 6 with ImageNet's" in text


def test_the_second_model_of_a_kind_is_read_as_the_first(models, written, monkeypatch):
    asked = []

    def right(self, subject):
        asked.append((subject.name, subject.size))
        return 6, 12

    monkeypatch.setattr(Sample, "right", right)
    save_small(models / "a.pt", 0)
    save_small(models / "b.pt", 1)
    written()
    assert len([name for name, _ in asked if name == "a"]) > 5
    assert [each for each in asked if each[0] == "b"] == [("b", 64)]


def test_a_sample_is_the_same_each_time_and_has_every_class(tmp_path):
    draw_classes(tmp_path / "val", 30)
    found = folders_of_pictures(tmp_path, files_below(tmp_path))
    first, second = sample_of(found), sample_of(found)
    assert first == second
    assert len(first.photographs) == 64
    assert {each.label for each in first.photographs} == {0, 1, 2}


def test_words_that_say_nothing_of_the_kind_are_passed_over():
    words = {"epoch": 3, "args": {"lr": 0.1, "size": 7}, "classes": ["a", "b"]}
    assert said_classes(words, 3) == ()
    assert said_classes(words, 2) == ("a", "b")
    assert said_size(words) is None
    assert said_normalisation(words) is None
    assert said_normalisation({"cfg": {"mean": [127.5] * 3, "std": [51] * 3}}) == (
        (0.5, 0.5, 0.5),
        (0.2, 0.2, 0.2),
    )


TEXTS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20)
VALUES = TEXTS | st.integers() | st.booleans() | st.lists(TEXTS, min_size=1, max_size=20)


@given(TEXTS, VALUES, TEXTS)
def test_a_line_with_its_comment_is_read_as_what_it_says(key, value, comment):
    assert parsed(commented(key, value, comment).encode(), "the line") == {key: value}
