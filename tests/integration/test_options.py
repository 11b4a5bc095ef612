"""pytest's own options on an audit, each with the same verdicts as the plain run."""

from __future__ import annotations

import pytest

from shortcut_audit.reporting.suite import described, read_suite

PLAIN = {"F0-s0": "promote", "F0-s1": "promote", "F0-s2": "promote", "F100-s0": "reject"}


@pytest.mark.parametrize(
    "options",
    [
        ("-n", "2"),
        ("-W", "error"),
        ("-p", "no:cacheprovider"),
        ("--junitxml=other.xml",),
        ("--audit-device=cpu",),
    ],
    ids=" ".join,
)
def test_verdicts_do_not_depend_on_options(repository, options):
    made = repository(clean=3)
    result = made.audit(*options)
    assert result.ret == 1
    assert made.verdicts() == PLAIN
    suite = described(read_suite((made.path / "audits").glob("*.py"), [made.path / "conftest.py"]))
    assert made.verdict()["suite"] == suite
    # which the conftest imports
    own = [name for name in suite["files"] if not name.endswith("tests/planted.py")]
    assert own == ["../conftest.py", "test_decoy_insertion.py", "test_rashomon_membership.py"]
    report = "other.xml" if "--junitxml=other.xml" in options else "reports/junit.xml"
    assert (made.path / report).is_file()


def test_stopping_at_the_first_failure_promotes_nobody_in_passing(repository):
    made = repository(clean=3)
    assert made.audit("-x").ret == 1
    assert made.verdicts() == {
        "F0-s0": "undecided",
        "F0-s1": "undecided",
        "F0-s2": "undecided",
        "F100-s0": "reject",
    }


def test_collecting_neither_measures_nor_writes(repository):
    made = repository(clean=3)
    result = made.audit("--collect-only", "-q")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["audits/test_decoy_insertion.py::test_decoy_insertion?F100-s0-stop_sign?"]
    )
    assert not (made.path / "reports").exists()


@pytest.mark.parametrize("option", ["--fixtures", "--fixtures-per-test"])
def test_fixtures_can_be_listed_with_and_without_models(repository, option):
    made = repository(clean=3)
    assert made.audit(option).ret == 0
    assert not (made.path / "reports").exists()
    listed = made.pytester.runpytest("audits", option)
    assert listed.ret == 0
    listed.stdout.fnmatch_lines(["*predictions*"])


def test_last_failed_runs_the_rejected_model_again(repository):
    made = repository(clean=3)
    made.audit()
    result = made.audit("--lf")
    assert result.ret == 1
    assert made.verdicts() == {"F100-s0": "reject"}


def test_a_part_of_the_suite_promotes_nobody(repository):
    made = repository(clean=3)
    result = made.audit("-k", "insertion and F0")
    assert result.ret == made.verdict()["exit_code"] == 1
    assert set(made.verdicts().values()) == {"undecided"}
    result.stdout.fnmatch_lines(
        ["*F0-s0 was not audited by rashomon_membership: run the whole suite to promote it*"]
    )


def test_one_model_can_be_selected_whole(repository):
    made = repository(clean=3)
    assert made.audit("-k", "F0-s1").ret == 0
    assert made.verdicts() == {"F0-s1": "promote"}


def test_every_option_has_an_ini_twin(repository):
    made = repository(clean=3)
    made.pytester.makeini(
        "[pytest]\nscenario = scenario.yaml\nmodels = models\naudit_reports = elsewhere\naudit_device = cpu\n"
    )
    result = made.pytester.runpytest("audits", "--audit-trust-code")
    assert result.ret == 1
    assert (made.path / "elsewhere/verdict.json").is_file()


def test_data_says_where_the_pictures_are(repository):
    made = repository(clean=3)
    scenario = made.path / "scenario.yaml"
    pictures = scenario.read_text().replace(
        "{kind: coloured_squares, validation: 60}", "{kind: image_folder, validation: val}"
    )
    scenario.write_text(pictures)
    result = made.audit("--audit-data=gone")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["*--audit-data 'gone' is no folder: name the one in which the data set's paths start*"]
    )
    (made.path / "photos").mkdir()
    result = made.audit("--audit-data=photos")
    assert result.ret == 4
    assert "photos/val' does not exist" in result.stderr.str() + result.stdout.str()


def test_the_header_says_what_is_audited(repository):
    made = repository(clean=3)
    made.audit("--collect-only").stdout.fnmatch_lines(
        ["models: models (4, 3 of them references)", "rootdir: *"]
    )


def test_markers_select_audits(repository):
    made = repository(clean=3)
    (made.path / "test_other.py").write_text("def test_other(): pass\n")
    result = made.pytester.runpytest(
        "--models=models", "--audit-trust-code", "-m", "not audit", "--collect-only", "-q"
    )
    result.stdout.fnmatch_lines(["test_other.py::test_other"])
    result.stdout.no_fnmatch_line("*decoy_insertion*")


@pytest.mark.parametrize("name", ["audit", "decoy", "scenario"])
def test_a_test_of_the_users_own_may_use_our_words(repository, name):
    made = repository(clean=3)
    (made.path / "test_own.py").write_text(
        f"import pytest\n\n@pytest.mark.parametrize('{name}', [1, 2])\ndef test_own({name}):\n    assert {name}\n"
    )
    made.pytester.runpytest("test_own.py").assert_outcomes(passed=2)
