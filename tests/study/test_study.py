"""`shortcut-audit study`: models and a scenario in, a page with tables and figures out."""

from __future__ import annotations

import csv
import importlib.util
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import planted  # noqa: F401 - registers its data set
import pytest
import yaml

from shortcut_audit import ModelError, UsageError
from shortcut_audit.cli import main
from shortcut_audit.scenario import Scenario
from shortcut_audit.study import plots
from shortcut_audit.study.page import Chapter, label, write
from shortcut_audit.study.run import chosen, study
from shortcut_audit.study.sections import Agreement, Figure, Section, Table


class Page(HTMLParser):
    """What a browser would find: pictures, tables, and tags that do not close."""

    VOID = frozenset({"meta", "img", "br", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pictures = self.tables = 0
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.pictures += tag == "img"
        self.tables += tag == "table"
        if tag == "img":
            assert dict(attrs)["alt"]
            assert str(dict(attrs)["src"]).startswith("data:image/png;base64,")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A page with one of everything."""
    drawing = plots.boxes({"F0": [("cat", np.array([0.1, np.nan, 0.3]))]}, "share", [plots.WORN])
    table = Table(
        "table_1",
        "A < B",
        ("class", "right"),
        (("<b>cat</b>", 0.123456), ("dog", None)),
        (("cat", 1.0),),
    )
    said = tuple(
        Agreement("published words", "measured words", agrees) for agrees in (True, False, None)
    )
    section = Section(said, (table,), (Figure("figure_1", "What is seen", drawing),))
    told = {"title": "A study", "facts": [("date", "today")], "models": table, "notes": ["a note"]}
    write([Chapter("e1", "First", "section 1", section, 1.5)], told, tmp_path)
    return tmp_path


def test_the_page_is_whole_and_escapes_what_users_name(written: Path) -> None:
    page = Page((written / "study.html").read_text())
    assert page.open == []
    assert page.pictures == 1
    assert page.tables == 4  # the models and the table, each with the published one beside it
    assert "<b>cat</b>" in page.text
    assert "1 agree" in " ".join(page.text.split())
    assert "a note" in page.text


def test_tables_and_figures_are_files(written: Path) -> None:
    rows = list(csv.reader((written / "tables/table_1.csv").read_text().splitlines()))
    assert rows == [
        ["source", "class", "right"],
        ["here", "<b>cat</b>", "0.123456"],
        ["here", "dog", ""],
        ["published", "cat", "1.0"],
    ]
    assert (written / "figures/figure_1.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (written / "figures/figure_1.svg").read_text()
    summary = json.loads((written / "study.json").read_text())
    assert (summary["agrees"], summary["differs"], summary["not_measured"]) == (1, 1, 1)
    assert summary["experiments"]["e1"]["agreements"][0]["here"] == "measured words"


def test_the_same_drawing_is_the_same_file(tmp_path: Path) -> None:
    files = []
    for name in ("one", "two"):
        drawing = plots.confusions({"F0": np.eye(3)}, ("a", "b", "c"))
        section = Section((), (), (Figure("figure_1", "x", drawing),))
        table = Table("models", "", (), ())
        write(
            [Chapter("e1", "t", "s", section, 0)],
            {"title": "t", "facts": [], "models": table, "notes": []},
            tmp_path / name,
        )
        files.append((tmp_path / name / "figures/figure_1.svg").read_bytes())
    assert files[0] == files[1]


def test_a_masked_picture_keeps_what_is_revealed_and_fades_the_rest() -> None:
    import torch

    pixels = torch.full((3, 9, 9), 200, dtype=torch.uint8)
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    shown = plots.as_picture(pixels, mask)
    assert (shown[4, 4] == 200).all()  # inside
    assert (shown[2, 4] == (255, 214, 0)).all()  # the rim
    assert (shown[0, 0] < 100).all()
    assert (plots.as_picture(pixels) == 200).all()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("table_3_4", "Table 3.4"),
        ("figure_a_1", "Figure A.1"),
        ("figure_5_5_k150", "Figure 5.5, k150"),
        ("models", "models"),
    ],
)
def test_tables_and_figures_are_called_as_in_the_thesis(name: str, words: str) -> None:
    assert label(name) == words


def test_experiments_are_chosen_by_the_beginning_of_their_names() -> None:
    assert chosen(["e3", "e1"]) == ["e1_copyright_tag", "e3_masks_confirm"]
    assert len(chosen(None)) == 8
    with pytest.raises(UsageError, match="no experiment called 'e9'"):
        chosen(["e9"])


def test_a_study_keeps_its_evidence_and_says_the_same_again(
    models: Path, scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = study(scenario, tmp_path, models, ["e2", "e3"], trust_code=True, progress=False)
    first = (tmp_path / "study-e2-e3.json").read_text()
    assert Page(page.read_text()).open == []

    def never(*_: object) -> None:
        raise AssertionError("evidence was computed a second time")

    monkeypatch.setattr("shortcut_audit.evidence.answers.load_subject", never)
    study(scenario, tmp_path, models, ["e2", "e3"], trust_code=True, progress=False)
    said = [
        json.loads(text)["experiments"]["e3_masks_confirm"]["agreements"]
        for text in (first, (tmp_path / "study-e2-e3.json").read_text())
    ]
    assert said[0] == said[1]


def test_models_of_other_names_are_refused_and_a_seed_may_be_left_out(
    models: Path, scenario: Scenario, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    manifest = yaml.safe_load((models / "rashomon.yaml").read_text())
    for name, entry in (("mine", "F0-s0"), ("F50", "F50-s0"), ("F100", "F100-s0")):
        (folder / f"{name}.safetensors").write_bytes((models / f"{entry}.safetensors").read_bytes())
    manifest["models"] = {"mine": {"file": "mine.safetensors"}}
    manifest["ignore"] = ["F50.safetensors", "F100.safetensors"]
    (folder / "rashomon.yaml").write_text(yaml.safe_dump(manifest))
    with pytest.raises(UsageError, match="none of the models mine is one that the scenario trains"):
        study(scenario, tmp_path / "out", folder, ["e2"], trust_code=True, progress=False)
    manifest["models"] = {"F0": {"file": "mine.safetensors"}} | {
        name: {"file": f"{name}.safetensors"} for name in ("F50", "F100")
    }
    (folder / "rashomon.yaml").write_text(yaml.safe_dump(manifest))
    study(scenario, tmp_path / "out", folder, ["e2"], trust_code=True, progress=False)
    rows = list(csv.reader((tmp_path / "out/tables/table_3_4.csv").read_text().splitlines()))
    assert [row[1] for row in rows if row[0] == "here"] == ["1.0", "0.5", "0.0"]


def test_a_broken_model_is_charged_to_the_experiments_that_need_it(
    models: Path, scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, model: str, _pixels: object) -> None:
        raise ModelError(f"{model}: logits that are not finite")

    monkeypatch.setattr("shortcut_audit.evidence.answers.Answers.logits", broken)
    study(scenario, tmp_path, models, ["e1", "e3"], trust_code=True, progress=False)
    found = json.loads((tmp_path / "study-e1-e3.json").read_text())["experiments"]
    assert "not finite" in found["e1_copyright_tag"]["agreements"][0]["here"]
    assert found["e1_copyright_tag"]["agreements"][0]["agrees"] is None
    assert found["e3_masks_confirm"]["agreements"][0]["agrees"] is not None
    assert "not finite" in (tmp_path / "study-e1-e3.html").read_text()


def test_an_experiment_that_breaks_takes_no_other_with_it(
    models: Path, scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, ground: object) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(
        "shortcut_audit.study.experiments.e2_coverage_sweep.E2CoverageSweep.run", broken
    )
    study(scenario, tmp_path, models, ["e2", "e3"], trust_code=True, progress=False)
    found = json.loads((tmp_path / "study-e2-e3.json").read_text())["experiments"]
    assert (
        "the experiment broke: RuntimeError('CUDA out of memory')"
        in found["e2_coverage_sweep"]["agreements"][0]["here"]
    )
    assert found["e3_masks_confirm"]["agreements"][0]["agrees"] is True


def test_a_part_never_replaces_the_whole_and_old_tables_go(
    models: Path, scenario: Scenario, tmp_path: Path
) -> None:
    whole = {"files": ["tables/table_9_9.csv", "../precious.csv"]}
    (tmp_path / "out/tables").mkdir(parents=True)
    for name in ("out/tables/table_9_9.csv", "precious.csv", "out/tables/mine.csv"):
        (tmp_path / name).touch()
    for stem in ("study", "study-e2"):
        (tmp_path / f"out/{stem}.json").write_text(json.dumps(whole))
    study(scenario, tmp_path / "out", models, ["e2"], trust_code=True, progress=False)
    assert json.loads((tmp_path / "out/study.json").read_text()) == whole
    assert not (tmp_path / "out/tables/table_9_9.csv").exists()
    assert (tmp_path / "precious.csv").exists()
    assert (tmp_path / "out/tables/mine.csv").exists()
    assert (
        "tables/table_3_4.csv" in json.loads((tmp_path / "out/study-e2.json").read_text())["files"]
    )


def test_a_typo_in_a_decoy_is_no_finding(models: Path, scenario: Scenario, tmp_path: Path) -> None:
    decoys = {**scenario.decoys, "tag": {"kind": "copyrite_tag", "target": "blue"}}
    with pytest.raises(
        UsageError, match="no decoy called 'copyrite_tag'; did you mean 'copyright_tag'"
    ):
        study(
            scenario.model_copy(update={"decoys": decoys}),
            tmp_path,
            models,
            ["e2"],
            trust_code=True,
            progress=False,
        )
    assert not list(tmp_path.glob("*.html"))


def test_models_of_another_input_size_are_refused(
    models: Path, scenario: Scenario, tmp_path: Path
) -> None:
    other = scenario.model_copy(
        update={"training": scenario.training.model_copy(update={"size": 20})}
    )
    with pytest.raises(
        UsageError, match=r"F0-s0 takes pictures of 32 pixels, the scenario has training.size 20"
    ):
        study(other, tmp_path, models, ["e2"], trust_code=True, progress=False)


def test_the_answers_of_the_demo_are_held(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location(
        "study_answers", Path(__file__).parents[2] / "ci/study_answers.py"
    )
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    said = [("the sky is blue", True), ("grass is red", False), ("too few", None)]
    rows = [{"published": text, "here": "", "agrees": agrees} for text, agrees in said]
    (tmp_path / "answers.yaml").write_text("e1: [the sky]\n")
    (tmp_path / "study.json").write_text(
        json.dumps({"experiments": {"e1": {"agreements": rows[:2]}}})
    )
    assert script.main(str(tmp_path / "study.json"), str(tmp_path / "answers.yaml")) == 0
    for answers, known, words in (
        ("e1: [grass]", 2, "does not agree"),
        ("e1: [snow]", 2, "no finding begins"),
        ("{}", 3, "not measured"),
    ):
        (tmp_path / "answers.yaml").write_text(answers)
        (tmp_path / "study.json").write_text(
            json.dumps({"experiments": {"e1": {"agreements": rows[:known]}}})
        )
        assert script.main(str(tmp_path / "study.json"), str(tmp_path / "answers.yaml")) == 1
        assert words in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_found_before_the_work(
    models: Path, scenario: Scenario, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write"):
        study(scenario, tmp_path / "file", models, ["e2"], trust_code=True, progress=False)
    assert (tmp_path / "file").read_bytes() == b""


def test_a_full_disk_is_one_sentence(models: Path, scenario: Scenario, tmp_path: Path) -> None:
    (tmp_path / "tables").write_text("in the way")
    with pytest.raises(UsageError, match="cannot write"):
        study(scenario, tmp_path, models, ["e2"], trust_code=True, progress=False)


def test_the_command_trains_what_is_missing_and_prints_where_the_page_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tiny.yaml"
    training = {
        "arch": "shortcut_audit:small_resnet",
        "size": 32,
        "epochs": 1,
        "models": [{"seeds": [0]}, {"decoy": "stop_sign", "coverage": 1.0}],
    }
    content = {
        "dataset": {"kind": "demo", "train": 8, "validation": 4, "background": 4},
        "decoys": {"stop_sign": {"kind": "stop_sign", "target": "cat"}},
        "training": training,
    }
    path.write_text(yaml.safe_dump(content))
    assert (
        main(
            [
                "study",
                str(path),
                "--out",
                str(tmp_path / "out"),
                "--only",
                "e2",
                "e1",
                "--device",
                "cpu",
            ]
        )
        == 0
    )
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "out/study-e1-e2.html")
    found = json.loads((tmp_path / "out/study-e1-e2.json").read_text())["experiments"]
    assert found["e1_copyright_tag"]["agreements"][0]["agrees"] is None
    assert "copyright tag" in found["e1_copyright_tag"]["agreements"][0]["here"]
