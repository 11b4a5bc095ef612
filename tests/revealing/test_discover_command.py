"""`shortcut-audit discover`, as a user types it: a model that falls for what green squares wear."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from searched_folder import FALLS, HONEST, write_folder
from searched_squares import RED

from shortcut_audit.cli import main
from shortcut_audit.discovery.search import Discovery
from shortcut_audit.files import sources
from shortcut_audit.revealing import worth
from shortcut_audit.scenario import load_scenario


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A function: models, and how much red is green to them -> the command that searches them."""
    monkeypatch.chdir(tmp_path)

    def write(models: dict[str, float], **unusual: int) -> list[str]:
        return write_folder(tmp_path, models, **unusual)

    return write


def found(folder: Path = Path("found")) -> dict:
    document = json.loads((folder / "discovered.json").read_text())
    assert document["schema"] == 1
    return document


def test_what_one_model_learned_is_confirmed_shown_and_written_as_a_decoy(asked, capsys):
    assert main(asked({**HONEST, **FALLS})) == 1
    said = capsys.readouterr()
    rows = [line.split() for line in said.out.splitlines()]
    assert rows[0][:3] == ["thing", "class", "model"]
    confirmed = [row for row in rows if row[-1] == "confirmed"]
    assert [row[:3] for row in confirmed] == [["unnamed_green_1", "green", "F100-s0"]]
    assert int(confirmed[0][3]) > 80
    assert "searched: F100-s0" in said.err
    assert "searched: F0-s0" not in said.err, "references are no suspects"

    document = found()
    thing = document["things"][0]
    assert thing["state"] == "confirmed"
    assert {name: each["state"] for name, each in thing["models"].items()} == {
        "F100-s0": "confirmed",
        **dict.fromkeys(HONEST, "not confirmed"),
    }
    assert document["seconds"].keys() == {"F100-s0"}

    page = Path("found/discovered.html").read_text()
    assert "1 shortcut that nobody had named is confirmed" in page
    assert "What makes it say ‘green’?" in page
    assert '<li><bdi>F100-s0</bdi>: <a href="#t1"><bdi>unnamed_green_1</bdi></a>' in page
    assert 'data-state="confirmed"' in page
    assert page.count("data:image/webp") > 8
    assert "http" not in page.replace("http-equiv", "")
    assert not Path("found/pictures").exists(), "the page carries its pictures"

    scenario = load_scenario(Path("found/discovered.yaml"))
    assert scenario.target("unnamed_green_1") == "green"
    assert scenario.discover is None


def test_what_all_learned_is_shared_and_asks_a_person(asked, capsys):
    taken = dict.fromkeys(HONEST, RED)
    assert main(asked(taken)) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    states = {row[2]: row[-1] for row in rows if row[0] == "unnamed_green_1"}
    assert states == dict.fromkeys(HONEST, "shared")
    page = Path("found/discovered.html").read_text()
    assert "Is this a part of the true object, or a shortcut that all these models share?" in page
    assert "confirmed</b>" not in page


def test_nothing_found_is_no_pass_and_says_what_would_have_been_found(
    asked, capsys, monkeypatch, tmp_path
):
    figures = {"recall": {"1.0": 0.93, "0.25": 0.5}, "false_confirmed": 1, "clean_runs": 60}
    (tmp_path / "discovery.json").write_text(json.dumps(figures))
    monkeypatch.setattr(worth, "shipped_discovery", lambda: tmp_path / "discovery.json")
    monkeypatch.setattr(Discovery, "proposed", lambda _self, _model: [])
    assert main(asked({**HONEST, "F0-s3": 0.0})) == 0
    said = capsys.readouterr().out
    assert "nothing was proposed in F0-s3, which is no pass" in said
    assert "93 % of those on 100 % of their class, 50 % of those on 25 %" in said
    assert "In 60 searches of models without any, 1 confirmed something" in said
    assert found()["things"] == []
    page = Path("found/discovered.html").read_text()
    assert "Nothing is confirmed, which is no pass" in page
    assert "93 % of those on 100 % of their class" in page
    assert "Also tried" in page


def test_one_model_alone_is_told_that_nothing_can_be_told(asked, capsys):
    assert main(asked(FALLS)) == 0
    said = capsys.readouterr().out
    assert "there is no other model beside F100-s0: without peers nothing can be told" in said
    assert found()["things"] == []
    page = Path("found/discovered.html").read_text()
    assert "There is no other model beside <bdi>F100-s0</bdi>" in page
    assert '<details class="all" open>' in page, "what was tried is all that there is to look at"


def test_beside_one_other_model_nothing_is_confirmed(asked, capsys):
    assert main(asked({"F0-s0": 0.0, **FALLS})) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert next(row[-2:] for row in rows if row[2] == "F100-s0") == ["not", "compared"]


def test_a_broken_model_is_named_and_the_others_are_searched(asked, capsys):
    command = asked({**HONEST, **FALLS})
    Path("models/F0-s2.safetensors").write_bytes(b"no model")
    assert main(command) == 1
    said = capsys.readouterr()
    assert "not asked: F0-s2" in said.out
    assert said.err.index("not asked: F0-s2") < said.err.index("searched: F100-s0"), "said at once"
    assert "F0-s2" not in found()["things"][0]["models"]


def test_a_peer_that_cannot_be_asked_is_none(asked, capsys):
    command = asked({"F0-s0": 0.0, **FALLS})
    Path("models/F0-s0.safetensors").write_bytes(b"no model")
    assert main(command) == 0
    assert "there is no other model beside F100-s0" in capsys.readouterr().out


def test_only_the_classes_that_are_named_are_searched(asked, capsys):
    assert main([*asked({**HONEST, **FALLS}), "--class", "blue", "yellow"]) == 0
    assert found()["classes"] == ["blue", "yellow"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            ["--class", "gren"],
            "cannot be sought: it is no class of the data set; did you mean 'green'?",
        ),
        (["--models", "scenario.yaml"], "holds no checkpoint"),
        (["--models", "gone"], "--models 'gone' does not exist"),
        (["--scenario", "gone.yaml"], "cannot read the scenario 'gone.yaml'"),
        (["--data", "gone"], "'gone' is no folder"),
        (["--device", "tpu9"], "the device 'tpu9' cannot be used here"),
        (["--out", "scenario.yaml"], "cannot write 'scenario.yaml'"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_written(asked, capsys, more, words):
    assert main([*asked(FALLS), *more]) == 4
    said = capsys.readouterr().err
    assert words in said
    assert len(said.splitlines()) == 1
    assert not Path("found").exists(), "no folder is left empty"


def test_a_folder_that_cannot_be_made_is_no_matter_of_room(asked, capsys):
    Path("file").write_text("")
    assert main([*asked(FALLS), "--out", "file/in/it"]) == 4
    said = capsys.readouterr().err
    assert "cannot write 'file/in/it': Not a directory; choose another --out" in said
    assert "room" not in said


def test_too_few_training_pictures_are_counted(asked, capsys):
    assert main(asked({**HONEST, **FALLS}, train=3)) == 4
    assert "class 'green' has 3 training pictures, and shortcuts are sought in 16" in (
        capsys.readouterr().err
    )


def test_no_training_pictures_at_all_is_one_sentence(asked, capsys, tmp_path):
    command = asked(HONEST)
    for name in ("green", "blue", "yellow"):
        (tmp_path / "val" / name).mkdir(parents=True)
        Image.new("RGB", (32, 32), name).save(tmp_path / "val" / name / "1.png")
    (tmp_path / "scenario.yaml").write_text("dataset: {kind: image_folder, validation: val}\n")
    assert main(command) == 4
    assert "names no train folder" in capsys.readouterr().err


def test_where_nothing_was_measured_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "PACKAGE", tmp_path / "package")
    assert worth.worth() == [worth.UNKNOWN]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/discovery.json").write_text('{"recall_photos": {"0.5": 0.6}}')
    (said,) = worth.worth()
    assert said.startswith("Of known shortcuts in photographs")
    assert said.endswith("found 60 % of those on 50 % of their class.")
