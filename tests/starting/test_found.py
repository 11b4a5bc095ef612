"""Which folders hold checkpoints, and which pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from folders import COLOURS, draw_classes

from shortcut_audit.errors import UsageError
from shortcut_audit.starting.found import (
    PictureFolders,
    files_below,
    folder_of_checkpoints,
    folders_of_pictures,
    loose_pictures,
)

CLASSES = tuple(sorted(COLOURS))


def pictures_in(folder: Path) -> PictureFolders | None:
    return folders_of_pictures(folder, files_below(folder))


def touched(root: Path, *files: str) -> Path:
    for each in files:
        (root / each).parent.mkdir(parents=True, exist_ok=True)
        (root / each).write_bytes(b"")
    return root


@pytest.mark.parametrize(
    ("train", "validation"),
    [("train", "val"), ("training", "validation"), ("Train", "Valid"), ("train", "test")],
)
def test_splits_are_found_by_their_usual_names_at_any_depth(tmp_path, train, validation):
    data = tmp_path / "some/photos"
    draw_classes(data / train, 2)
    draw_classes(data / validation, 1)
    found = pictures_in(tmp_path)
    assert (found.train, found.validation) == (data / train, data / validation)
    assert found.classes == CLASSES
    assert found.counts == {"train": 6, "validation": 3}
    assert not found.undivided


def test_of_several_folders_to_audit_on_the_one_is_taken_that_training_looked_at_least(tmp_path):
    for split in ("train", "test", "val"):
        draw_classes(tmp_path / split, 1)
    assert pictures_in(tmp_path).validation == tmp_path / "val"


def test_class_folders_without_a_split_are_all_audited_on(tmp_path):
    draw_classes(tmp_path / "photos", 1)
    found = pictures_in(tmp_path)
    assert found.undivided
    assert (found.validation, found.train) == (tmp_path / "photos", None)


def test_a_folder_that_is_named_val_is_divided_though_it_is_alone(tmp_path):
    draw_classes(tmp_path / "val", 1)
    assert not folders_of_pictures(tmp_path / "val", files_below(tmp_path / "val")).undivided


def test_training_pictures_alone_name_the_classes_and_are_not_audited_on(tmp_path):
    draw_classes(tmp_path / "photos/train", 1)
    found = pictures_in(tmp_path)
    assert (found.validation, found.classes) == (None, CLASSES)


def test_pictures_in_no_class_folder_are_no_data_set(tmp_path):
    touched(tmp_path, "photos/a.jpg", "photos/b.png")
    assert pictures_in(tmp_path) is None
    assert loose_pictures(files_below(tmp_path)) == tmp_path / "photos"


def test_two_data_sets_are_named_and_neither_is_taken(tmp_path):
    draw_classes(tmp_path / "old/val", 1)
    draw_classes(tmp_path / "new/val", 1)
    with pytest.raises(UsageError, match=r"in '.*new' and '.*old': say which with --pictures"):
        pictures_in(tmp_path)


@pytest.mark.parametrize(
    ("files", "folder"),
    [
        (["models/a.pt", "models/b.safetensors"], "models"),
        (["runs/1/a.pt", "runs/2/a.pt"], "runs"),
        (["runs/only/deep/a.ckpt"], "runs/only/deep"),
        (["a.pth", "old/b.pth"], "."),
        (["models/notes.txt"], None),
        (["models/a.pt", "env/lib/site-packages/torch/x.pt"], "models"),
        (["models/a.pt", "reports/record.jsonl", "reports/evidence/x.safetensors"], "models"),
        (["models/a.pt", ".cache/b.pt"], "models"),
        (["models/a.pt", "verdict.json"], "models"),
    ],
)
def test_checkpoints_are_found_and_those_of_libraries_and_runs_are_not(tmp_path, files, folder):
    touched(tmp_path, *files)
    found = folder_of_checkpoints(tmp_path, files_below(tmp_path))
    assert found == (tmp_path / folder if folder else None)


def test_two_folders_of_checkpoints_are_named_and_neither_is_taken(tmp_path):
    touched(tmp_path, "new/a.pt", "old/a.pt", "old/b.pt")
    with pytest.raises(UsageError, match=r"new' \(1\) and '.*old' \(2\): say which with --models"):
        folder_of_checkpoints(tmp_path, files_below(tmp_path))


@pytest.mark.parametrize(
    ("name", "words"), [("gone", "does not exist"), ("file", "is a file: name its folder")]
)
def test_a_folder_that_is_none_is_one_sentence(tmp_path, name, words):
    touched(tmp_path, "file")
    with pytest.raises(UsageError, match=words):
        files_below(tmp_path / name)
