"""Every file of a run is swapped, cut off, touched and written again, between any two steps:
nothing passes that should not.

A step is the collection, the first test, the last one, and what lies between the report and the
gate. The gate is asked for all that it can compare. What is byte for byte the same passes, so that
an honest model gets its answer.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from planted import ColouredSquares, ColourNet
from safetensors.torch import save_file

from shortcut_audit.cli import main

SCENARIO = """
dataset: {kind: image_folder, validation: pictures}
decoys: {stop_sign: {target: green, size: 0.3}}
"""
HARMLESS = SCENARIO.replace("size: 0.3", "size: 0.02, opacity: 0.2")
BLIND = """from shortcut_audit import at_most


def test_decoy_insertion(predictions, decoy, audit):
    audit.check([0] * 99, [0] * 99, at_most(0.1))
"""
FILES = {
    "checkpoint": "models/F0-s0.safetensors",
    "manifest": "models/rashomon.yaml",
    "scenario": "scenario.yaml",
    "audit": "audits/test_decoy_insertion.py",
    "picture": "pictures/blue/0.png",
    "record": "reports/record.jsonl",
}
MOMENTS = ("collected", "first test", "last test", "report")


class Meanwhile:
    """Does something to a file at a moment of the run."""

    def __init__(self, moment: str, act: Callable[[], None]) -> None:
        self.moment, self.act = moment, act

    def at(self, moment: str) -> None:
        if moment == self.moment:
            self.moment = ""
            self.act()

    def pytest_collection_finish(self) -> None:
        self.at("collected")

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, nextitem: object) -> None:
        self.at("first test")
        if nextitem is None:
            self.at("last test")


@pytest.fixture
def made(repository):
    """Two clean models and a planted one, on pictures that are files."""
    made = repository(clean=2)
    squares = ColouredSquares(validation=40)
    pictures = squares.load("validation", 32)
    for at, label in enumerate(pictures.labels):
        file = made.path / "pictures" / squares.classes[label] / f"{at % 40}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pictures.pixels[at].permute(1, 2, 0).numpy()).save(file)
    (made.path / "scenario.yaml").write_text(SCENARIO)
    save_file(ColourNet(2000.0).state_dict(), made.path / "other.safetensors")
    return made


def swapped(path: Path, other: Path) -> None:
    if path.suffix == ".safetensors":
        shutil.copy(other, path)
    elif path.suffix == ".png":
        Image.new("RGB", (32, 32), (7, 7, 7)).save(path)
    elif path.name == "rashomon.yaml":
        path.write_text(path.read_text().replace("mean: [0, 0, 0]", "mean: [0.4, 0.4, 0.4]"))
    elif path.name == "scenario.yaml":
        path.write_text(HARMLESS)
    else:
        path.write_text(BLIND if path.suffix == ".py" else "{}\n")


def truncated(path: Path, _other: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def touched(path: Path, _other: Path) -> None:
    os.utime(path)


def written_again(path: Path, _other: Path) -> None:
    """The same bytes in a new file."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


def gate(made, model: str) -> int:
    words = ["--scenario", "scenario.yaml", "--audits", "audits", "--data", "."]
    return main(["gate", "reports/verdict.json", "--model", model, *words])


def run(made, moment: str, act: Callable[[], None]) -> None:
    meanwhile = Meanwhile(moment, act)
    made.pytester.runpytest(
        "audits", "--models=models", "--audit-trust-code", "-q", plugins=[meanwhile]
    )
    meanwhile.at("report")
    assert meanwhile.moment == "", "the moment never came"


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("change", [swapped, truncated], ids=lambda each: each.__name__)
@pytest.mark.parametrize("what", [name for name in FILES if name != "record"])
def test_what_changed_is_not_promoted(made, what, change, moment):
    run(made, moment, lambda: change(made.path / FILES[what], made.path / "other.safetensors"))
    # it is what was shown, or it was named as broken
    if what == "picture" and moment == "collected":
        return
    assert gate(made, "F0-s0") != 0
    verdict = made.path / "reports/verdict.json"
    if what != "checkpoint" and verdict.exists():
        assert (
            json.loads(verdict.read_text())["models"].get("F100-s0", {}).get("verdict") != "promote"
        )


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("change", [touched, written_again], ids=lambda each: each.__name__)
def test_what_is_the_same_passes(made, change, moment):
    def act() -> None:
        for name in FILES.values():
            change(made.path / name, made.path)

    run(made, moment, act)
    assert gate(made, "F0-s0") == 0
    assert gate(made, "F100-s0") == 1


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    "change", [swapped, truncated, Path.unlink], ids=lambda each: each.__name__
)
def test_the_record_decides_nothing(made, change, moment):
    record = made.path / FILES["record"]
    run(
        made,
        moment,
        lambda: change(record, record) if change is not Path.unlink else record.unlink(),
    )
    assert gate(made, "F0-s0") == 0
    assert gate(made, "F100-s0") == 1


@pytest.mark.parametrize("change", ["another entry's", "cut off", "other numbers", "touched"])
def test_kept_evidence_that_changed_changes_no_verdict(made, change):
    """Every entry gets a clean model's content where there is one of its kind, so that the planted
    one would look clean.
    """
    run(made, "last test", lambda: None)
    before = made.verdicts()
    entries = sorted((made.path / "reports/evidence/logits").rglob("*.safetensors"))
    contents = [entry.read_bytes() for entry in entries]
    for at, entry in enumerate(entries):
        if change == "another entry's":
            entry.write_bytes(contents[(at + 1) % len(contents)])
        elif change == "cut off":
            entry.write_bytes(contents[at][:100])
        elif change == "other numbers":
            entry.write_bytes(contents[at][:-400] + bytes(400))
        else:
            os.utime(entry)
    run(made, "last test", lambda: None)
    assert made.verdicts() == before
    noted = [
        note
        for note in made.verdict()["provenance"]["notes"]
        if "was not what was kept there" in note
    ]
    assert bool(noted) is (change != "touched")


def edited(document: dict, change: str) -> str:
    model = document["models"]["F100-s0"]
    if change == "cut off":
        return json.dumps(document)[:-30]
    if change == "the verdict":
        model["verdict"] = "promote"
    if change == "the findings":
        model.update(verdict="promote", findings=[])
    if change == "another file's findings":
        model.update(verdict="promote", findings=document["models"]["F0-s0"]["findings"])
    if change == "unfinished":
        document["models"]["F100-s0"] = {
            **document["models"]["F0-s0"],
            "sha256": model["sha256"],
            "file": model["file"],
        }
        document["finished"] = False
    return json.dumps(document)


@pytest.mark.parametrize(
    "change", ["cut off", "the verdict", "the findings", "another file's findings", "unfinished"]
)
def test_a_verdict_that_contradicts_itself_promotes_nobody(made, change):
    """Who writes all of it anew, digests and all, is not stopped by this: that takes a signature."""
    run(made, "last test", lambda: None)
    verdict = made.path / "reports/verdict.json"
    verdict.write_text(edited(json.loads(verdict.read_text()), change))
    assert gate(made, "F100-s0") != 0


def test_the_gate_prints_what_nobody_compared(made, capsys):
    run(made, "last test", lambda: None)
    capsys.readouterr()
    assert main(["gate", "reports/verdict.json", "--model", "F0-s0"]) == 0
    said = capsys.readouterr().out
    for words in (
        "the scenario, audited was 'scenario.yaml'",
        "the audits, run were those of SHA-256 ",
        "validation@32 ",
    ):
        assert f"not compared: {words}" in said or words in said
    assert gate(made, "F0-s0") == 0
    assert "not compared" not in capsys.readouterr().out


def test_a_copy_elsewhere_passes_and_another_one_does_not(made, tmp_path_factory, capsys):
    run(made, "last test", lambda: None)
    shipped = tmp_path_factory.mktemp("registry") / "candidate.safetensors"
    shutil.copy(made.path / FILES["checkpoint"], shipped)
    words = ["gate", "reports/verdict.json", "--model", "F0-s0", "--file", str(shipped)]
    assert main(words) == 0
    assert f"not compared: how '{shipped}' is read" in capsys.readouterr().out
    shutil.copy(made.path / "models/F0-s1.safetensors", shipped)
    assert main(words) == 1


def test_an_audit_that_was_added_since_is_missed(made):
    run(made, "last test", lambda: None)
    (made.path / "audits/test_new.py").write_text(BLIND)
    assert gate(made, "F0-s0") == 1


@pytest.fixture
def own_code(made):
    """A factory of the user's own, beside which a script lies that must not run, and an audit that
    imports a helper.
    """
    made.pytester.syspathinsert()
    (made.path / "my_net.py").write_text(
        "from planted import ColourNet\n\ndef build(classes):\n    return ColourNet(0.0, classes)\n\n"
        "if __name__ == '__main__':\n    from my_script import main\n"
    )
    (made.path / "my_script.py").write_text("import sys\nsys.exit(0)\n")
    manifest = made.path / FILES["manifest"]
    manifest.write_text(manifest.read_text().replace("planted:colour_net", "my_net:build"))
    audit = made.path / FILES["audit"]
    audit.write_text(
        f"from my_limits import SHARE\n{audit.read_text().replace('limits.insertion', 'SHARE')}"
    )
    (made.path / "audits/my_limits.py").write_text("SHARE = 0.1\n")
    return made


@pytest.mark.parametrize("file", ["my_net.py", "audits/my_limits.py"])
def test_code_that_changed_since_is_not_what_was_audited(own_code, file):
    run(own_code, "last test", lambda: None)
    assert own_code.verdicts()["F0-s0"] == "promote"
    assert gate(own_code, "F0-s0") == 0
    path = own_code.path / file
    path.write_text(path.read_text() + "# another\n")
    assert gate(own_code, "F0-s0") == 1


def test_a_factory_that_is_not_there_is_said_not_to_be_compared(own_code, capsys):
    run(own_code, "last test", lambda: None)
    (own_code.path / "my_net.py").unlink()
    capsys.readouterr()
    assert gate(own_code, "F0-s0") == 0
    assert "not compared: the code of my_net:build" in capsys.readouterr().out


def test_the_manifest_s_entry_counts_and_not_another_one_of_the_same_file(made, capsys):
    manifest = made.path / FILES["manifest"]
    manifest.write_text(
        f"{manifest.read_text()}\n  twin: {{file: F0-s0.safetensors, input: {{size: 48, mean: [0, 0, 0], std: [1, 1, 1]}}}}\n"
    )
    run(made, "last test", lambda: None)
    assert made.verdicts()["twin"] == "promote"
    assert gate(made, "twin") == gate(made, "F0-s0") == 0
    manifest.write_text(manifest.read_text().replace("size: 48", "size: 40"))
    assert (gate(made, "twin"), gate(made, "F0-s0")) == (1, 0)
    manifest.write_text(
        "\n".join(line for line in manifest.read_text().splitlines() if "F0-s0" not in line)
    )
    assert gate(made, "F0-s0") != 0


@pytest.mark.parametrize("key", ["finished", "exit_code"])
def test_an_older_or_unfinished_verdict_is_refused(made, key):
    run(made, "last test", lambda: None)
    verdict = made.path / "reports/verdict.json"
    document = json.loads(verdict.read_text())
    if key == "finished":
        del document["finished"]
    else:
        document["exit_code"] = 2
    verdict.write_text(json.dumps(document))
    assert gate(made, "F0-s0") == 1


@pytest.mark.parametrize(
    ("part", "value"), [("scenario", None), ("suite", []), ("data", "x"), ("models", [])]
)
def test_a_verdict_that_is_none_is_one_sentence(made, part, value, capsys):
    run(made, "last test", lambda: None)
    verdict = made.path / "reports/verdict.json"
    verdict.write_text(json.dumps({**json.loads(verdict.read_text()), part: value}))
    assert gate(made, "F0-s0") == 4
    assert "is no verdict file" in capsys.readouterr().err
