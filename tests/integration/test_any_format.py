"""Known answers in every format, and the table of docs/formats.md: which audit can be asked of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_formats import FILES, PROGRAMS, SHOW_NO_WEIGHTS, write
from planted import COLOURS, ColourNet

from shortcut_audit.cli import main
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.loading.subject import load_subject

pytestmark = pytest.mark.slow
DOCS = Path(__file__).parents[2] / "docs/formats.md"
RED = 2000.0  # how much red counts as green in a model that falls for it
# beside insertion, which decides: an audit of each kind of evidence
KINDS = ("decoy_removal", "mask_localisation", "explainer_sanity", "influence_precision")
# files of one kind are read alike: one of each in a whole run
ONE_OF_EACH = (
    "lightning.ckpt",
    "sharded.safetensors.index.json",
    "scripted.ts",
    "any.pt2",
    "fixed.onnx",
)


# Exporting and reading programs imports what cannot be imported twice, and a run in this process
# forgets what it has imported: all is written and read before the first run.
@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each model: clean and planted, in every format."""
    folder = tmp_path_factory.mktemp("written")
    for file in FILES:
        for red in (0.0, RED):
            place = folder / called(file, red) / file
            place.parent.mkdir()
            write(place, ColourNet(red), 32)
            said = Candidate("", place, "planted:colour_net", tuple(COLOURS), 32)
            load_subject(said, trust_code=True)
    return folder


def called(file: str, red: float) -> str:
    """The name of a model in the format of the file's name."""
    stem, _, suffix = file.partition(".")
    return f"{'planted' if red else 'clean'}-{stem}-{suffix.replace('.', '-')}"


def add(written: Path, folder: Path, file: str, red: float) -> str:
    """Adds a model to those of a repository; its name."""
    name = called(file, red)
    shutil.copytree(written / name, folder / name)
    with (folder / "rashomon.yaml").open("a") as manifest:
        manifest.write(f"\n  {name}: {{file: {name}/{file}}}")
    return name


def test_a_shortcut_is_found_in_every_format(repository: Callable[..., Any], written: Path) -> None:
    made = repository(more="blocking: [decoy_insertion]")
    made.use("decoy_insertion")
    expected = {}
    for file in FILES:
        expected[add(written, made.path / "models", file, RED)] = "reject"
    for file in ("lightning.ckpt", "fixed.onnx"):
        expected[add(written, made.path / "models", file, 0.0)] = "promote"
    made.audit()
    verdicts = made.verdicts()
    assert {name: verdicts[name] for name in expected} == expected
    figures = set()
    for name in expected:
        row = made.verdict()["models"][name]["findings"][0]
        if name.startswith("planted"):
            figures.add((row["observed"], row["control"]))
    assert len(figures) == 1, "whatever holds the weights, it is the same model"


def test_the_table_of_what_can_be_asked(repository: Callable[..., Any], written: Path) -> None:
    made = repository(
        more="blocking: [decoy_insertion]\nmasks: {images: 4}\ninfluence: {queries: 4}"
    )
    made.use(*KINDS)
    names = {file: add(written, made.path / "models", file, RED) for file in ONE_OF_EACH}
    made.audit()
    table = documented()
    for file, name in names.items():
        asked = {}
        for row in made.verdict()["models"][name]["findings"]:
            asked[row["audit"].partition("@")[0]] = not row["error"]
            if row["error"]:
                assert "a program that answers pictures and shows no weights" in row["claim"]
        assert {kind: asked[kind] for kind in KINDS} == table[file.partition(".")[2].split(".")[-1]]


def documented() -> dict[str, dict[str, bool]]:
    """Suffix -> which kinds of evidence the page says that files of it give."""
    table = {}
    for line in DOCS.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 6 and cells[1] in ("yes", "no"):
            said = [cell == "yes" for cell in cells[1:5]]
            for suffix in cells[0].replace("`", "").replace(".", " ").replace(",", " ").split():
                table[suffix] = dict(zip(KINDS, said, strict=True))
    return table


@pytest.mark.parametrize("blocking", ["mask_localisation", "influence_precision"])
def test_what_cannot_be_asked_is_no_pass(
    repository: Callable[..., Any], written: Path, blocking: str
) -> None:
    made = repository(clean=0, planted=0, more=f"blocking: [decoy_insertion, {blocking}]")
    made.use(blocking)
    name = add(written, made.path / "models", "any.onnx", 0.0)
    made.audit("-k", "clean")
    model = made.verdict()["models"][name]
    assert model["verdict"] == "undecided"
    assert "shows no weights" in model["sentence"]
    assert main(["gate", "--model", name, "reports/verdict.json"]) != 0


def test_a_part_that_was_exchanged_is_not_let_through(
    repository: Callable[..., Any], written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = repository(more="blocking: [decoy_insertion]")
    name = add(written, made.path / "models", "fixed.onnx", 0.0)
    other = add(written, made.path / "models", "sharded.safetensors.index.json", 0.0)
    made.audit()
    for model, part in ((name, "fixed.onnx.data"), (other, "sharded-00001-of-00002.safetensors")):
        assert main(["gate", "--model", model, "reports/verdict.json"]) == 0, capsys.readouterr()
        file = made.path / "models" / model / part
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert main(["gate", "--model", model, "reports/verdict.json"]) != 0
        said = " ".join(capsys.readouterr())
        assert f"{part} differs)" in said or f"{part}, " in said
        assert "is not the checkpoint that was audited" in said
    assert json.loads((made.path / "reports/verdict.json").read_text())["models"][name]["read_as"][
        "files"
    ] == ["fixed.onnx", "fixed.onnx.data"]


def test_programs_are_not_run_unasked(repository: Callable[..., Any], written: Path) -> None:
    made = repository(clean=0, planted=0, more="blocking: [decoy_insertion]")
    names = [add(written, made.path / "models", file, 0.0) for file in ("traced.pt", "any.pt2")]
    made.pytester.runpytest("audits", "--models=models")
    for name in names:
        model = made.verdict()["models"][name]
        assert model["verdict"] == "undecided"
        assert "is a program, and to read it is to run what is in it" in model["sentence"]
    assert set(PROGRAMS) > set(SHOW_NO_WEIGHTS)
