"""`shortcut-audit collect`: the evidence alone, and how it ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_run import Small, entries

from shortcut_audit.cli import MISTAKE, main


@pytest.fixture
def asked(small: Small) -> list[str]:
    small.site("unused")  # writes the files
    folder = small.folder
    return [
        "collect",
        f"--models={folder}/models",
        f"--scenario={folder}/scenario.yaml",
        f"--out={folder}/reports",
        f"--conftest={folder}/noted.py",
        "--trust-code",
        "--only=decides",
    ]


def kinds(reports: Path) -> set[str]:
    return {entry["kind"] for entry in entries(reports / "evidence").values()}


def test_it_says_how_it_ended_and_a_second_run_finds_all_kept(
    asked: list[str], small: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(asked) == 0
    first = capsys.readouterr().out
    assert first.startswith("evidence: ")
    assert " 0 undone for want of the machine; " in first
    assert len(first.splitlines()) == 1
    assert kinds(small.folder / "reports") == {"logits", "otherwise", "stated"}  # what decides
    assert main(asked) == 0
    assert capsys.readouterr().out.startswith("evidence: 0 tasks computed, ")
    assert not small.asked()  # the explainer


def test_what_the_machine_left_undone_is_exit_code_1(
    asked: list[str], small: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = small.folder / "scenario.yaml"
    text = scenario.read_text().replace("noted", "memoryless").replace(f"log: {small.log}", "")
    stop_sign = "  stop_sign: {kind: stop_sign, target: green, size: 0.3}\n"  # its check is dear
    scenario.write_text(text.replace(stop_sign, ""))
    assert main([*asked[:-1], f"--store={small.folder}/store"]) == 1
    words = capsys.readouterr().out
    assert "too little memory" in words
    assert len(set(words.splitlines())) == len(words.splitlines())
    assert entries(small.folder / "store")  # what asks no explainer


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--engine=rays"], "no engine called 'rays'; did you mean 'ray'?"),
        (["--store=s4://bucket/x"], "no storage is called 's4'"),
        (["--models=nowhere"], "--models 'nowhere' does not exist"),
        (["--device=tpu9"], "the device 'tpu9' cannot be used here"),
    ],
)
def test_a_mistake_is_one_sentence(
    asked: list[str], capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert main([*asked, *more]) == MISTAKE
    words = capsys.readouterr().err
    assert said in words
    assert len(words.splitlines()) == 1


def test_a_missing_conftest_is_one_sentence(
    asked: list[str], small: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*asked, f"--conftest={small.folder}/none.py"]) == MISTAKE
    assert "there is no file '" in capsys.readouterr().err
