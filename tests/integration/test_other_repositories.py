"""A repository that audits nothing is none of our business: with us installed and without, its runs
end alike.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from shortcut_audit.plugin.options import FORMER, WORDS

OPTIONS = [f"--{word}" for word in (*WORDS, *FORMER)]
# quick
ALONE = ("-p", "no:hypothesispytest", "-p", "no:anyio", "-p", "no:xdist", "-p", "no:cacheprovider")
OWNER = """
import pytest
def pytest_addoption(parser):
    parser.addoption('{option}', default='x')
@pytest.fixture
def own(request):
    return request.config.getoption('{option}')
"""
READS = "def test_own(own):\n    assert own == {expected!r}\n"


@pytest.fixture(autouse=True)
def _modules_of_the_repository(pytester):
    pytester.syspathinsert()


def alike(pytester, *arguments):
    """The result of a run with us, after it was seen that it says what a run without us says."""
    ours = pytester.runpytest(*ALONE, *arguments)
    others = pytester.runpytest(*ALONE, *arguments, "-p", "no:shortcut_audit")
    assert ours.ret == others.ret, ours.stderr.str() + ours.stdout.str()
    assert _said(ours) == _said(others)
    return ours


def _said(result):
    text = re.sub(r"plugins: .*\n", "", result.stdout.str() + result.stderr.str())
    return re.sub(r"\d+\.\d+s", "", text)


@pytest.mark.parametrize("option", OPTIONS)
def test_a_conftest_with_an_option_of_our_name(pytester, option):
    pytester.makeconftest(OWNER.format(option=option))
    pytester.makepyfile(READS.format(expected="x"))
    alike(pytester).assert_outcomes(passed=1)
    pytester.makepyfile(READS.format(expected="own"))
    alike(pytester, option, "own").assert_outcomes(passed=1)
    alike(pytester, f"{option}=own").assert_outcomes(passed=1)


@pytest.mark.parametrize("option", ["--models", "--audit-device"])
@pytest.mark.parametrize("how", ["before", "after", "subfolder"])
def test_whoever_comes_first_or_last_owns_the_option(pytester, option, how):
    owner = OWNER.format(option=option)
    if how == "subfolder":
        folder = pytester.mkpydir("deeper")
        (folder / "conftest.py").write_text(owner)
        (folder / "test_deep.py").write_text("def test_deep(request):\n    pass\n")
        alike(pytester).assert_outcomes(passed=1)
        return
    pytester.makepyfile(owner=owner, test_it=READS.format(expected="own"))
    loaded = ["-p", "owner"] if how == "before" else []
    if how == "after":
        pytester.makeconftest("pytest_plugins = ['owner']\n")
    alike(pytester, *loaded, option, "own").assert_outcomes(passed=1)


@pytest.mark.parametrize("kind", ["linelist", "paths", "bool", "string"])
@pytest.mark.parametrize("plugin", ["conftest", "early"])
def test_an_ini_key_of_our_name_keeps_its_type(pytester, kind, plugin):
    pytester.makeini("[pytest]\nmodels = yes\nscenario = no\naudit_reports = yes\n")
    names = "('models', 'scenario', 'audit_reports')"
    adds = f"def pytest_addoption(parser):\n    for name in {names}:\n        parser.addini(name, 'own', type={kind!r})\n"
    reads = (
        f"def test_own(pytestconfig):\n    print([pytestconfig.getini(name) for name in {names}])\n"
    )
    pytester.makepyfile(**{plugin: adds, "test_it": reads})
    result = alike(pytester, "-s", *(["-p", "early"] if plugin == "early" else []))
    result.assert_outcomes(passed=1)


def test_ini_keys_that_somebody_else_reads_change_nothing(pytester):
    pytester.makeini(
        "[pytest]\nmodels = gone\nscenario = gone.yaml\naudit_data = gone\naudit_device = gpu9\n"
    )
    pytester.makepyfile("def test_own():\n    pass\n")
    result = pytester.runpytest("-W", "error")
    result.assert_outcomes(passed=1)
    assert not result.stderr.str()
    assert "audit" not in re.sub(r"plugins: .*\n", "", result.stdout.str())
    assert not (pytester.path / "reports").exists()


def test_a_list_in_the_ini_file_is_somebody_elses(pytester):
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\nmodels = ["a", "b"]\n')
    pytester.makepyfile("def test_own():\n    pass\n")
    result = pytester.runpytest("-W", "error")
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "content", ["def test_own():\n    pass\n", "def test_own():\n    assert 0\n", "1 / 0\n", ""]
)
@pytest.mark.parametrize("arguments", [(), ("--collect-only",), ("-k", "nothing"), ("--unknown",)])
def test_no_audits_at_all(pytester, content, arguments):
    pytester.makepyfile(test_it=content)
    alike(pytester, *arguments)
    assert not (pytester.path / "reports").exists()


def test_where_another_owns_the_short_names_the_long_ones_are_ours(repository):
    made = repository(clean=3)
    own = "".join(
        f"    parser.addoption('--{word}', default='x')\n" for word in ("models", "scenario")
    )
    made.pytester.makeconftest(f"import planted\ndef pytest_addoption(parser):\n{own}")
    made.pytester.makeini("[pytest]\n")
    nothing = made.pytester.runpytest("audits", "--models=models")
    assert nothing.ret == pytest.ExitCode.USAGE_ERROR
    nothing.stderr.fnmatch_lines(
        ["*--models is another plugin's here: name them with `--audit-models checkpoints/`*"]
    )
    half = made.pytester.runpytest("audits", "--audit-models=models")
    assert half.ret == pytest.ExitCode.USAGE_ERROR
    half.stderr.fnmatch_lines(["*audits need a scenario: name one with --audit-scenario FILE*"])
    whole = ("--audit-models", "models", "--audit-scenario", "scenario.yaml", "--audit-trust-code")
    assert made.pytester.runpytest("audits", *whole).ret == 1
    assert made.verdicts()["F0-s0"] == "promote"
    assert made.verdicts()["F100-s0"] == "reject"


def test_the_help_shows_our_options_without_torch(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    shown = pytester.run(sys.executable, "-X", "importtime", "-m", "pytest", "--help")
    assert shown.ret == 0
    for word in WORDS:
        shown.stdout.fnmatch_lines([f"*--{word}*"])
    assert " torch\n" not in shown.stderr.str()


def test_n_auto_starts_no_worker_without_a_model(repository):
    made = repository(clean=1, planted=0)
    result = made.audit("-n", "auto", "-v")
    result.stdout.re_match_lines([r"created: 1/1 worker"])
