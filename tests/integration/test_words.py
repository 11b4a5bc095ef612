"""Our words on the command line and in the ini file: how they may be written, what they mean, and
where their paths start.
"""

from __future__ import annotations

import pytest

from shortcut_audit.plugin.options import taken

WORDS = ("models", "audit-trust-code")


@pytest.mark.parametrize(
    ("arguments", "rest", "found"),
    [
        (["a", "--models", "m", "b"], ["a", "b"], {"models": "m"}),
        (["--models=m", "-k", "x"], ["-k", "x"], {"models": "m"}),
        (["--models=m", "--models", "n"], [], {"models": "n"}),
        (["--audit-trust-code", "a"], ["a"], {"audit-trust-code": "true"}),
        (["--modelsx", "m", "models"], ["--modelsx", "m", "models"], {}),
        (["--", "--models", "m"], ["--", "--models", "m"], {}),
    ],
)
def test_ours_are_taken_and_the_others_left(arguments, rest, found):
    assert taken(arguments, WORDS) == (rest, found)


@pytest.mark.parametrize("arguments", [["--models"], ["--models="], ["--models", "-q"]])
def test_a_word_without_its_value(arguments):
    with pytest.raises(
        pytest.UsageError, match="--models needs a value: audit the checkpoints in this folder"
    ):
        taken(arguments, WORDS)


@pytest.mark.parametrize("option", ["--data=x", "--reports=x", "--device=cpu", "--trust-code"])
def test_a_word_that_got_its_prefix(repository, option):
    made = repository(clean=1)
    result = made.pytester.runpytest("audits", "--models=models", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    word = option.partition("=")[0][2:]
    result.stderr.fnmatch_lines([f"ERROR: --{word} is now --audit-{word}"])


def test_two_words_for_two_different_things(repository):
    result = repository(clean=1).audit("--audit-models=others")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--models and --audit-models name two different things*"])


def test_words_in_a_file_of_arguments_and_in_the_environment(repository, monkeypatch):
    made = repository(clean=1, planted=0)
    (made.path / "arguments").write_text("audits\n--models=models\n")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--audit-trust-code")
    assert made.pytester.runpytest("@arguments").ret == made.verdict()["exit_code"]
    assert list(made.verdicts()) == ["F0-s0"]


def test_paths_of_the_ini_file_start_there(repository, monkeypatch):
    made = repository(clean=2, planted=0)
    made.pytester.makeini(
        "[pytest]\nmodels = models\nscenario = scenario.yaml\naudit_trust_code = true\n"
    )
    deeper = made.path / "notebooks"
    deeper.mkdir()
    monkeypatch.chdir(deeper)
    assert made.pytester.runpytest("../audits").ret == 0
    assert set(made.verdicts().values()) == {"promote"}
    assert not (deeper / "reports").exists()
    assert (made.path / "reports/junit.xml").is_file()


def test_paths_of_the_command_line_start_where_pytest_was_called(repository, monkeypatch):
    made = repository(clean=2, planted=0)
    deeper = made.path / "notebooks"
    deeper.mkdir()
    monkeypatch.chdir(deeper)
    assert (
        made.pytester.runpytest("../audits", "--models", "../models", "--audit-trust-code").ret == 0
    )
    assert (deeper / "reports/verdict.json").is_file()


@pytest.mark.parametrize("spelt", ["{option} {value}", "{option}={value}"])
def test_folders_elsewhere_move_no_rootdir(repository, tmp_path_factory, spelt):
    made = repository(clean=1, planted=0)
    (made.path / "tox.ini").unlink()
    models = tmp_path_factory.mktemp("elsewhere") / "models"
    (made.path / "models").rename(models)
    words = {
        "--models": models,
        "--scenario": made.path / "scenario.yaml",
        "--audit-data": models.parent,
        "--audit-reports": "r",
    }
    spaced = [spelt.format(option=option, value=value) for option, value in words.items()]
    arguments = [word for each in spaced for word in each.split(" ")]
    result = made.pytester.runpytest("audits", "--audit-trust-code", "-v", *arguments)
    result.stdout.fnmatch_lines(
        [f"rootdir: {made.path}", "audits/test_decoy_insertion.py::test_decoy_insertion?F0-s0*"]
    )
    assert (made.path / "r/verdict.json").is_file()


def test_settings_that_pytest_took_from_elsewhere_are_said(repository, monkeypatch):
    made = repository(clean=1, planted=0)
    inner = made.path / "inner"
    inner.mkdir()
    (made.path / "audits").rename(inner / "audits")
    (inner / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.chdir(inner)
    words = (
        "--models",
        str(made.path / "models"),
        "--scenario",
        "../scenario.yaml",
        "--audit-trust-code",
    )
    result = made.pytester.runpytest("audits", *words)
    result.stdout.fnmatch_lines(
        ["pytest took its settings from '*' because of a path with a space before it*--models=DIR*"]
    )
