"""A verdict never outlives its run, however the run after it ends."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import pytest

from shortcut_audit import registry

FILES = ("verdict.json", "junit-per-model.xml", "junit.xml", "one-line.txt")
REPORTER = """
import planted
from dataclasses import dataclass
from shortcut_audit import register

@register("reporter")
@dataclass(frozen=True)
class OneLine:
    name: str = "one-line.txt"

    def write(self, report, folder):
        (folder / self.name).write_text("promote everybody")
        return folder / self.name
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the first test's repository is kept for the others."""
    return tmp_path_factory.mktemp("kept") / "repository"


@pytest.fixture
def audited(repository, kept, monkeypatch):
    """A repository whose last run promoted every model."""
    # a reporter of the repository's own comes to it
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    made = repository(clean=2, planted=0)
    made.pytester.makeconftest(REPORTER)
    if not kept.exists():
        assert rerun(made).ret == 0
        shutil.copytree(made.path / "reports", kept)
    shutil.copytree(kept, made.path / "reports", dirs_exist_ok=True)
    assert all((made.path / "reports" / name).is_file() for name in FILES)
    return made


def rerun(made, *arguments):
    return made.pytester.runpytest("audits", "--models=models", "--audit-trust-code", *arguments)


def promoted(made):
    """Whoever may be promoted by what lies in the folder of reports."""
    path = made.path / "reports/verdict.json"
    models = json.loads(path.read_text())["models"] if path.is_file() else {}
    return [name for name, model in models.items() if model["verdict"] in ("promote", "waived")]


def left(made):
    """The files of the run before that are still there; pytest itself may have written a junit.xml,
    with a failure in it.
    """
    found = [
        name
        for name in (*FILES, *(f".{name}.withdrawn" for name in FILES))
        if (made.path / "reports" / name).exists()
    ]
    if "junit.xml" in found:
        assert 'failures="1"' in (made.path / "reports/junit.xml").read_text()
        found.remove("junit.xml")
    return found


MISTAKES = {
    "scenario": lambda path: (path / "scenario.yaml").write_text("nonsense: ["),
    "no scenario": lambda path: (path / "scenario.yaml").unlink(),
    "manifest": lambda path: (path / "models/rashomon.yaml").write_text("models: 3"),
    "no audits": lambda path: (path / "audits").rename(path / "elsewhere"),
    "decoy": lambda path: (path / "scenario.yaml").write_text(
        (path / "scenario.yaml").read_text().replace("green", "gren")
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_of_the_users(audited, mistake):
    MISTAKES[mistake](audited.path)
    result = rerun(audited)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in result.stderr.str() + result.stdout.str()
    assert not left(audited)


@pytest.mark.parametrize(
    "options", [("--unknown",), ("--audit-device=gpu9",), ("--audit-data=gone",)]
)
def test_a_mistake_on_the_command_line(audited, options):
    assert rerun(audited, *options).ret == pytest.ExitCode.USAGE_ERROR
    assert not promoted(audited)


def test_a_conftest_that_cannot_be_imported(audited):
    audited.pytester.makeconftest("1 / 0\n")
    assert rerun(audited).ret == pytest.ExitCode.USAGE_ERROR
    assert not promoted(audited)
    assert not (audited.path / "reports/junit.xml").exists()


def test_a_file_that_cannot_be_collected(audited):
    (audited.path / "audits/test_broken.py").write_text("1 / 0\n")
    result = rerun(audited)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert audited.verdict()["finished"] is False
    assert audited.verdict()["exit_code"] == result.ret
    assert not promoted(audited)


@pytest.mark.parametrize(
    "option", ["--collect-only", "--help", "--version", "--fixtures", "--markers"]
)
def test_to_look_is_not_to_run(audited, option):
    before = {name: (audited.path / "reports" / name).read_bytes() for name in FILES}
    rerun(audited, option)
    assert before == {name: (audited.path / "reports" / name).read_bytes() for name in FILES}


STOPS = {
    "ctrl-c": "raise KeyboardInterrupt",
    "exit": "import pytest; pytest.exit('enough', returncode=0)",
    "timeout": "request.session.shouldfail = 'session-timeout: 1 s'",
    "stop": "request.session.shouldstop = 'somebody said so'",
}


@pytest.mark.parametrize("stop", STOPS)
def test_whatever_stops_a_run_promotes_nobody(audited, stop):
    (audited.path / "audits/test_rashomon_membership.py").unlink()
    (audited.path / "audits/test_z.py").write_text(
        f"def test_z(request):\n    {STOPS[stop]}\n\ndef test_zz():\n    pass\n"
    )
    scenario = audited.path / "scenario.yaml"
    scenario.write_text(scenario.read_text() + "blocking: [decoy_insertion]\n")
    call = audited.pytester.runpytest_subprocess if stop == "ctrl-c" else audited.pytester.runpytest
    result = call("audits", "--models=models", "--audit-trust-code")
    verdict = audited.verdict()
    assert verdict["finished"] is False
    assert result.ret == verdict["exit_code"] != 0
    assert set(audited.verdicts().values()) == {"undecided"}
    assert all(
        "the run was interrupted" in model["sentence"] for model in verdict["models"].values()
    )
    root = ET.parse(audited.path / "reports/junit.xml").getroot()
    assert [
        case.get("name") for case in root.iter("testcase") if case.find("failure") is not None
    ] == [
        "F0-s0 verdict",
        "F0-s1 verdict",
    ]


def test_a_run_that_came_to_its_end_says_so(audited):
    assert audited.verdict()["finished"] is True


def test_an_internal_error_promotes_nobody(audited):
    audited.pytester.makeconftest(
        "import planted\ndef pytest_runtest_logfinish(nodeid):\n    assert 'F0-s1' not in nodeid\n"
    )
    result = rerun(audited)
    assert result.ret == audited.verdict()["exit_code"] == pytest.ExitCode.INTERNAL_ERROR
    assert audited.verdict()["finished"] is False
    assert not promoted(audited)


SLOW = "import time\ndef test_a_slow_one(subject, audit):\n    open('begun', 'w').close()\n    time.sleep(60)\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "more"), [("SIGTERM", ()), ("SIGINT", ()), ("SIGKILL", ()), ("SIGTERM", ("-n", "2"))]
)
def test_a_signal(audited, number, more):
    (audited.path / "audits/test_a_slow.py").write_text(SLOW)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "audits",
        "--models=models",
        "--audit-trust-code",
        *more,
    ]
    job = subprocess.Popen(
        command,
        cwd=audited.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # whoever starts the tests in the background hands on that SIGINT is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        deadline = time.monotonic() + 120
        while not (audited.path / "begun").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        job.send_signal(getattr(signal, number))
        said = job.communicate(timeout=60)[0]
    finally:
        job.kill()
    assert not promoted(audited)
    if number == "SIGKILL":
        assert not (audited.path / "reports/verdict.json").exists()
        return
    assert job.returncode == pytest.ExitCode.INTERRUPTED, said
    assert audited.verdict()["finished"] is False
    assert "shortcut audit" in said
    assert not [line for line in said.splitlines() if line.startswith("Traceback")]


def test_what_sigterm_did_before_it_does_again(repository):
    before = signal.getsignal(signal.SIGTERM)
    repository(clean=1, planted=0).audit()
    assert signal.getsignal(signal.SIGTERM) is before


def ini(made, more=""):
    made.pytester.makeini(
        f"[pytest]\nmodels = models\nscenario = scenario.yaml\naudit_trust_code = yes\n{more}"
    )


def test_with_the_ini_file_a_run_without_audits_leaves_the_verdict(audited):
    ini(audited)
    before = {name: (audited.path / "reports" / name).read_bytes() for name in FILES}
    (audited.path / "test_own.py").write_text("def test_own():\n    pass\n")
    for more in (
        ("test_own.py",),
        ("test_own.py", "-n", "2"),
        ("-m", "not audit"),
        ("-k", "own"),
        ("-m", "not audit", "-n", "1"),
    ):
        assert audited.pytester.runpytest(*more).ret == 0
        assert before == {name: (audited.path / "reports" / name).read_bytes() for name in FILES}


@pytest.mark.parametrize("more", [(), ("-n", "2")])
def test_with_the_ini_file_a_run_with_audits_makes_its_own(audited, more):
    ini(audited)
    (audited.path / "scenario.yaml").write_text(
        (audited.path / "scenario.yaml").read_text() + "limits: {insertion: 0.09}\n"
    )
    (audited.path / "reports/one-line.txt").write_text("old")
    assert audited.pytester.runpytest("audits", *more).ret == 0
    assert audited.verdict()["models"]["F0-s0"]["findings"][0]["limit"] == 0.09
    assert (audited.path / "reports/one-line.txt").read_text() == "promote everybody"
    root = ET.parse(audited.path / "reports/junit.xml").getroot()
    assert len(list(root.iter("testcase"))) == 4


@pytest.mark.parametrize("mistake", ["no scenario", "manifest", "scenario"])
@pytest.mark.parametrize("more", [(), ("-n", "2")])
def test_with_the_ini_file_a_mistake_is_one_sentence_where_there_is_an_audit(
    audited, mistake, more
):
    ini(audited)
    MISTAKES[mistake](audited.path)
    result = audited.pytester.runpytest("audits", *more)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in result.stderr.str() + result.stdout.str()
    assert (
        len([line for line in result.stderr.str().splitlines() if line.startswith("ERROR: ")]) == 1
    )
    assert not promoted(audited)


def test_audits_without_models_on_two_workers_are_one_sentence(audited):
    result = audited.pytester.runpytest("audits", "-n", "2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: audits need models*"])


def test_a_verdict_that_cannot_be_taken_away_stops_the_run(audited, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("shortcut_audit.files.withdrawn.os.replace", refuse)
    result = audited.audit()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*cannot take away 'reports/*' of the run before (Permission denied)*"]
    )
