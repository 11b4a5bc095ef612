"""`shortcut-audit init`: what it writes, what it leaves, and that its own commands lead on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from folders import draw_classes, save_small

from shortcut_audit.cli import main
from shortcut_audit.files.checkpoint_files import suffixes
from shortcut_audit.files.sources import shipped_audits
from shortcut_audit.starting import fitting as fitting_module
from shortcut_audit.starting.manifest import FILL_IN


@pytest.fixture(autouse=True)
def _own_alone(monkeypatch):
    """Only the small ResNet is compared, so that the tests are quick."""
    monkeypatch.setattr(fitting_module, "SOURCES", ("shortcut_audit",))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder in which the user is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def init(capsys):
    """Runs the command; gives its exit code and what it said."""

    def run(*arguments: str) -> tuple[int, str]:
        code = main(["init", *arguments])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def commands(said: str) -> list[str]:
    """The commands that were printed: the lines that stand four places in."""
    return [line.strip() for line in said.splitlines() if line.startswith("    ")]


def everything(folder: Path) -> dict[str, bytes]:
    files = (each for each in sorted(folder.rglob("*")) if each.is_file())
    return {str(each.relative_to(folder)): each.read_bytes() for each in files}


@pytest.mark.slow
def test_from_nothing_to_a_verdict_by_the_commands_that_it_prints(folder):
    draw_classes(folder / "photos/train", 6)
    draw_classes(folder / "photos/val", 6)
    for seed in range(2):
        save_small(folder / f"models/m{seed}.pt", seed)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def typed(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, shell=True, capture_output=True, text=True, check=False, env=environment
        )

    first = typed("shortcut-audit init")
    assert first.returncode == 0, first.stderr
    look, audit, ask = commands(first.stdout)
    assert typed(look).returncode == 0
    assert (folder / "decoys.png").is_file()
    audited = typed(audit)
    assert (folder / "reports/verdict.json").is_file(), audited.stdout + audited.stderr
    assert audited.returncode in (0, 1), audited.stdout
    asked = typed(ask)
    assert asked.returncode in (0, 1), asked.stderr
    assert "m0" in asked.stdout


def test_nothing_that_is_there_is_changed_and_each_of_it_is_named(folder, init):
    draw_classes(folder / "photos/val", 1)
    save_small(folder / "models/m.pt")
    init()
    before = everything(folder)
    code, said = init()
    assert code == 0
    assert everything(folder) == before
    left = [line for line in said.splitlines() if line.startswith("left as it is: ")]
    assert [line.partition(": ")[2] for line in left] == [
        "audits",
        "models/rashomon.yaml",
        "scenario.yaml",
        ".github/workflows/shortcut-audit.yml",
    ]
    assert "written" not in said


def test_the_users_own_files_stay_and_what_is_missing_is_written(folder, init):
    draw_classes(folder / "photos/val", 1)
    save_small(folder / "models/m.pt")
    (folder / "audits").mkdir()
    (folder / "audits/test_mine.py").write_text("# mine")
    (folder / "scenario.yaml").write_text("# mine")
    init("--ci", "gitlab")
    assert [each.name for each in (folder / "audits").iterdir()] == ["test_mine.py"]
    assert (folder / "scenario.yaml").read_text() == "# mine"
    assert (folder / "models/rashomon.yaml").is_file()
    assert yaml.safe_load((folder / "shortcut-audit.gitlab-ci.yml").read_text())
    assert not (folder / ".github").exists()


def test_the_audits_are_this_versions(folder, init):
    init("--ci", "none")
    names = {each.name for each in shipped_audits().glob("*.py")}
    assert {each.name for each in (folder / "audits").iterdir()} == names
    for name in names:
        assert (folder / "audits" / name).read_bytes() == (shipped_audits() / name).read_bytes()


def test_in_an_empty_folder_it_says_what_to_put_there(folder, init):
    code, said = init()
    assert code == 0
    assert f"checkpoints: none in '.' ({', '.join(suffixes())})" in said
    assert "'.' holds no picture: put them into FOLDER/train/CLASS" in said
    assert "run this command again" in said
    assert commands(said) == []
    assert [each.name for each in folder.iterdir()] == ["audits"]


def test_what_came_later_is_taken_up_by_the_same_command(folder, init):
    init()
    draw_classes(folder / "photos/val", 1)
    assert len(commands(init()[1])) == 1
    save_small(folder / "models/m.pt")
    said = init()[1]
    assert len(commands(said)) == 3
    assert "written: models/rashomon.yaml" in said
    assert "written: .github/workflows/shortcut-audit.yml" in said


def test_folders_that_lie_elsewhere_can_be_named(folder, init, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("else where")
    draw_classes(elsewhere / "val", 1)
    save_small(folder / "here/some models/m.pt")
    arguments = ["--models", "here/some models", "--pictures", str(elsewhere)]
    said = init("new", *arguments)[1]
    assert "'new' does not exist" in said
    (folder / "new").mkdir()
    said = init("new", *arguments)[1]
    there, look, audit, _ = commands(said)
    assert there == "cd new"
    assert f"--pictures '{elsewhere / 'val'}'" in look
    assert f"--models '{folder / 'here/some models'}'" in audit
    assert (folder / "here/some models/rashomon.yaml").is_file()
    assert str(elsewhere / "val") in (folder / "new/scenario.yaml").read_text()


@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        ("photos", "'photos' is not divided into train and val"),
        ("photos/train", "has none to audit on (validation, val, valid, test): move pictures"),
        ("photos/val", "no training pictures (train or training) beside 'photos/val'"),
    ],
)
def test_a_split_that_is_not_there_is_said_in_words(folder, init, pictures, words):
    draw_classes(folder / pictures, 1)
    assert words in init()[1]


def test_pictures_in_no_class_folder_are_said_in_words(folder, init):
    draw_classes(folder, 1)
    for each in list(folder.iterdir())[1:]:
        for file in each.iterdir():
            file.unlink()
    said = init()[1]
    assert "are not in class folders: put them into FOLDER/train/CLASS" in said
    assert not (folder / "scenario.yaml").exists()


def test_a_line_that_must_be_filled_in_is_said_now_and_each_time(folder, init):
    draw_classes(folder / "photos/val", 1)
    save_small(folder / "models/m.pt", classes=8)
    first, again = init()[1], init()[1]
    for said in (first, again):
        assert f"to fill in: classes: [{FILL_IN}]  # fill in a name for each output" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--models", "gone"], "'gone' does not exist"),
        (["--models", "file"], "'file' is a file: name its folder"),
        (["--models", "empty"], "--models 'empty' holds no checkpoint"),
        (["--pictures", "gone"], "'gone' does not exist"),
        (["--pictures", "empty"], "'empty' holds no picture: put them into FOLDER/train/CLASS"),
        (["gone"], "'gone' does not exist"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_written(folder, init, arguments, words):
    (folder / "file").touch()
    (folder / "empty").mkdir()
    code, said = init(*arguments)
    assert code == 4
    assert words in said
    assert len(said.splitlines()) == 1
    assert sorted(each.name for each in folder.iterdir()) == ["empty", "file"]
