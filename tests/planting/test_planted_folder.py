"""What is planted is what audits ask about, and nothing in the folder says what is right."""

from __future__ import annotations

import csv
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from answered import planted_folder
from PIL import Image
from planted import ColouredSquares, write_scenario

from shortcut_audit import cli
from shortcut_audit.errors import UsageError
from shortcut_audit.planting.folder import plant
from shortcut_audit.scenario import load_scenario


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plant") / "scenario.yaml"
    write_scenario(path, 4)
    path.write_text(path.read_text().replace("validation: 4", "validation: 4, background: 3"))
    return path


@pytest.fixture(scope="module")
def folder(scenario: Path) -> Path:
    return planted_folder(scenario)


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "own")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "pictures.csv").open(encoding="utf-8") as index:
        return list(csv.DictReader(index))


def lines(scenario: Path, out: Path, *sizes: int, labels: bool = False) -> list[str]:
    return list(plant(load_scenario(scenario), sizes or [32], out, labels))


def test_each_picture_is_called_after_its_pixels_and_is_without_loss(folder: Path) -> None:
    plain = {row["file"] for row in rows(folder) if row["condition"] == "plain"}
    wanted = set()
    for picture in ColouredSquares(validation=4).load("validation", 32).pixels:
        digest = hashlib.sha256(b"(3, 32, 32)" + picture.numpy().tobytes()).hexdigest()
        wanted.add(f"32/{digest}.png")
        found = np.asarray(Image.open(folder / f"32/{digest}.png"))
        assert (found == picture.permute(1, 2, 0).numpy()).all()
    assert plain == wanted


def test_the_list_names_every_picture_each_condition_and_no_label(folder: Path) -> None:
    listed = rows(folder)
    assert {row["file"] for row in listed} == {f"32/{each.name}" for each in folder.glob("*/*")}
    assert set(listed[0]) == {"file", "split", "decoy", "strength", "condition"}
    conditions = {(row["split"], row["decoy"], row["strength"], row["condition"]) for row in listed}
    ways = [
        (split, "stop_sign", strength, condition)
        for split in ("validation", "background")
        for strength in "012"
        for condition in ("decoyed", "control", "control scrambled")
    ]
    assert conditions == {("validation", "", "0", "plain"), *ways}
    said = (folder / "pictures.csv").read_text() + (folder / "planted.json").read_text()
    assert not any(name in said for name in ("green", "blue", "yellow", "validation/"))


def test_labels_are_told_to_whoever_asks(scenario: Path, tmp_path: Path) -> None:
    lines(scenario, tmp_path / "out", labels=True)
    plain = [row for row in rows(tmp_path / "out") if row["condition"] == "plain"]
    assert [row["label"] for row in plain] == ["green"] * 4 + ["blue"] * 4 + ["yellow"] * 4
    assert plain[5]["picture"] == "validation/5"
    background = [row for row in rows(tmp_path / "out") if row["split"] == "background"]
    assert {row["label"] for row in background} == {""}


def test_what_it_costs_is_said_before_it_is_paid(scenario: Path, tmp_path: Path) -> None:
    telling = plant(load_scenario(scenario), [32], tmp_path / "out")
    first = next(telling)
    assert first == f"planting at most 192 pictures of 32 pixels, 1 MB, into '{tmp_path / 'out'}'"
    assert not list((tmp_path / "out").glob("*/*"))
    last = list(telling)[-1]
    different = len(list((tmp_path / "out").glob("32/*")))
    readme = tmp_path / "out/README.txt"
    assert (
        last
        == f"planted: {different} different pictures; '{readme}' says how to have them answered"
    )


def test_stopped_it_goes_on_and_writes_nothing_twice(scenario: Path, own: Path) -> None:
    pictures = sorted((own / "32").iterdir())
    times = {each: each.stat().st_mtime_ns for each in pictures[1:]}
    listed = (own / "pictures.csv").read_bytes()
    pictures[0].unlink()
    (own / "pictures.csv").unlink()
    lines(scenario, own)
    assert pictures[0].exists()
    assert (own / "pictures.csv").read_bytes() == listed
    assert {each: each.stat().st_mtime_ns for each in pictures[1:]} == times


def test_a_stopped_one_has_no_list(scenario: Path, own: Path) -> None:
    telling = plant(load_scenario(scenario), [32], own)
    next(telling)
    telling.close()
    assert not (own / "pictures.csv").exists()


@pytest.mark.parametrize("sizes", [(32, 16), (16,)])
def test_another_plant_is_not_mixed_with_this_one(
    scenario: Path, own: Path, sizes: tuple[int, ...]
) -> None:
    with pytest.raises(UsageError) as caught:
        lines(scenario, own, *sizes)
    assert str(caught.value) == (
        f"'{own}' holds what another scenario or size planted: name an empty folder with --out"
    )


def test_a_folder_of_something_else_is_left_alone(scenario: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError) as caught:
        lines(scenario, tmp_path)
    assert str(caught.value) == (
        f"'{tmp_path}' holds something else: name an empty folder with --out"
    )
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_cannot_be_written_is_said(scenario: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UsageError, match=r"cannot write .*choose another --out"):
        lines(scenario, tmp_path / "file" / "out")


def test_the_command_plants_at_each_size(
    scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ["16", "16,resize=20,bicubic"]
    asked = ["plant", "--scenario", scenario, "--out", tmp_path / "out", "--size", *sizes]
    assert cli.main(list(map(str, asked))) == 0
    assert "planted: " in capsys.readouterr().out
    assert {row["file"].partition("/")[0] for row in rows(tmp_path / "out")} == set(sizes)


@pytest.mark.parametrize("size", ["0", "x", "224,resize=100", "224,bicubik", "-3"])
def test_a_size_that_cannot_be_is_said(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["plant", "--scenario", "s.yaml", "--out", "out", f"--size={size}"])
    said = capsys.readouterr().err
    assert f"'{size}' is no input size: write 224, or 224,resize=256,bicubic" in said
