"""Exit code, JUnit and verdict.json say one thing, whatever happened. No plan is too empty, no
crash too strange.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import pytest

from shortcut_audit import registry
from shortcut_audit.errors import MachineError
from shortcut_audit.reporting import record

SHIPPED = (
    "decoy_insertion",
    "decoy_removal",
    "decoy_only",
    "mask_localisation",
    "mask_agreement",
    "mask_transfer",
)
SHIPPED = (
    *SHIPPED,
    "influence_precision",
    "influence_agreement",
    "explainer_sanity",
    "rashomon_membership",
)


def cases(made, kind, name="junit.xml"):
    root = ET.parse(made.path / "reports" / name).getroot()
    return [case for case in root.iter("testcase") if case.find(kind) is not None]


def agree(made, result):
    """The verdict file, after it was seen that exit code and both JUnit files say the same."""
    verdict = made.verdict()
    assert verdict["exit_code"] == result.ret
    bad = cases(made, "failure") + cases(made, "error")
    assert bool(bad) is bool(result.ret), [case.attrib for case in bad]
    per_model = cases(made, "failure", "junit-per-model.xml") + cases(
        made, "error", "junit-per-model.xml"
    )
    stopped = [
        name
        for name, model in verdict["models"].items()
        if model["verdict"] not in ("promote", "waived")
    ]
    assert bool(per_model) is bool(result.ret)
    held = {
        case.get("name").removesuffix(" verdict")
        for case in per_model
        if case.get("classname") == "shortcut_audit.verdict"
    }
    assert held == set(stopped)
    summary = (made.path / "reports/summary.md").read_text()
    shown = re.findall(r"^\| . \| (\S+) \| (\w+) \|", summary, re.MULTILINE)
    assert dict(shown) == {name: model["verdict"] for name, model in verdict["models"].items()}
    if stopped or not verdict["models"]:
        assert result.ret
    said = result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in said
    assert "NOTSET" not in said
    return verdict


def audit_file(made, name, body):
    (made.path / f"audits/test_{name}.py").write_text(body)


CHECK = "from shortcut_audit import at_most\ndef test_x(subject, audit):\n    audit.check([{each}] * 50, 0, at_most(0.1))\n"
ADDED = {  # another audit or test beside the two that block and hold
    "nothing": "",
    "an audit that holds": CHECK.format(each=0.0),
    "an audit that notes": CHECK.format(each=1.0),
    "an audit that does not apply": "def test_x(subject, audit):\n    audit.does_not_apply('no')\n",
    "an audit that checks nothing": "def test_x(subject, audit):\n    pass\n",
    "an audit that takes no numbers": "def test_x(subject):\n    pass\n",
    "an audit that cannot be asked": (
        "from shortcut_audit import UsageError\ndef test_x(subject, audit):\n    raise UsageError('k is too large')\n"
    ),
    "an audit that has no memory": "def test_x(subject, audit):\n    raise MemoryError('out of memory')\n",
    "an audit that breaks": "def test_x(subject, audit):\n    1 / 0\n",
    "a test that fails": "def test_x():\n    assert 0\n",
    "a test that is skipped": "import pytest\ndef test_x():\n    pytest.skip('later')\n",
    "a teardown that breaks": (
        "import pytest\n@pytest.fixture\ndef broken():\n    yield\n    1 / 0\ndef test_x(broken):\n    pass\n"
    ),
    "an audit's teardown that breaks": (
        "import pytest\nfrom shortcut_audit import at_most\n@pytest.fixture\ndef broken():\n    yield\n    1 / 0\n"
        "def test_x(broken, subject, audit):\n    audit.check([0.0] * 50, 0, at_most(0.1))\n"
    ),
}
FAILING = {
    "an audit that breaks",
    "a test that fails",
    "a teardown that breaks",
    "an audit's teardown that breaks",
}


@pytest.mark.parametrize("added", ADDED)
@pytest.mark.parametrize(
    "more", ["", "blocking: [decoy_insertion, rashomon_membership, x]"], ids=["beside", "blocking"]
)
def test_they_agree(repository, added, more):
    made = repository(clean=2, planted=0, more=more)
    if ADDED[added]:
        audit_file(made, "x", ADDED[added])
    result = made.audit()
    agree(made, result)
    if not more:
        assert result.ret == (added in FAILING)
        assert set(made.verdicts().values()) == {"promote"}


def test_what_cannot_be_asked_and_does_not_block_is_skipped_with_its_reason(repository):
    made = repository(clean=1, planted=0)
    audit_file(made, "x", ADDED["an audit that cannot be asked"])
    result = made.audit()
    assert result.ret == 0
    finding = next(
        row for row in agree(made, result)["models"]["F0-s0"]["findings"] if row["audit"] == "x"
    )
    assert finding["error"]
    skipped = cases(made, "skipped") + cases(made, "skipped", "junit-per-model.xml")
    assert ["k is too large" in case.find("skipped").get("message") for case in skipped] == [
        True,
        True,
    ]
    result.stdout.fnmatch_lines(["not asked: k is too large"])


PLANS = {
    "one": {"clean": 1, "planted": 0},
    "one that is planted": {"clean": 0, "planted": 1},
    "two": {"clean": 1, "planted": 1},
    "no decoy": {"clean": 2, "planted": 0, "decoys": False},
    "all broken": {"clean": 2, "planted": 0, "broken": 2},
    "all but one broken": {"clean": 3, "planted": 0, "broken": 2},
    "no references": {"clean": 2, "planted": 1, "references": False},
    "two sizes": {"clean": 3, "planted": 0, "sizes": True},
}


def planned(repository, plan):
    plan = dict(plan)
    decoys, broken = plan.pop("decoys", True), plan.pop("broken", 0)
    references, sizes = plan.pop("references", True), plan.pop("sizes", False)
    made = repository(**plan)
    made.use(*SHIPPED)
    scenario, manifest = made.path / "scenario.yaml", made.path / "models/rashomon.yaml"
    if not decoys:
        scenario.write_text("dataset: {kind: coloured_squares}\ndecoys: {}\n")
    if not references:
        manifest.write_text(manifest.read_text().replace("reference: true", "reference: false"))
    if sizes:
        manifest.write_text(
            manifest.read_text().replace(
                "F0-s2.safetensors,", "F0-s2.safetensors, input: {size: 48},"
            )
        )
    for number in range(broken):
        (made.path / f"models/F0-s{number}.safetensors").write_bytes(b"no checkpoint")
    return made


@pytest.mark.slow
@pytest.mark.parametrize("plan", PLANS)
def test_the_whole_suite_on_any_plan(repository, plan, monkeypatch):
    monkeypatch.setattr("shortcut_audit.harness.judge.distrusted", lambda *_: "")
    made = planned(repository, PLANS[plan])
    result = made.audit()
    verdict = agree(made, result)
    broken = {
        name for name, model in verdict["models"].items() if "no checkpoint" in model["sentence"]
    }
    assert not [name for name in broken if verdict["models"][name]["verdict"] == "promote"]
    if plan.startswith("one"):
        said = [case.find("skipped").get("message") for case in cases(made, "skipped")]
        assert [text for text in said if "one model alone has no pair to compare" in text]
    if plan == "two sizes":
        result.stdout.fnmatch_lines(
            [
                "*of different sizes are not compared with each other: F0-s0 32 px, F0-s1 32 px, F0-s2 48 px"
            ]
        )
        assert {tuple(pair["subjects"]) for pair in verdict["pairs"]} == {("F0-s0", "F0-s1")}


def test_nothing_but_pairs_is_a_failed_gate(repository):
    made = repository(clean=1, planted=0)
    made.use("mask_agreement")
    result = made.audit("-k", "mask_agreement")
    assert result.ret == 1
    assert agree(made, result)["models"] == {}
    assert "nothing was audited" in cases(made, "failure")[0].find("failure").get("message")


RERUN = """
import planted
import pytest
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for tries in range(3):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        again = any(report.failed for report in reports) and tries < 2
        for report in reports:
            if report.failed and again:
                report.outcome = "rerun"
            item.ihook.pytest_runtest_logreport(report=report)
        if not again:
            return True
        item._initrequest()

tries = []

@pytest.fixture(autouse=True)
def share(request):
    tries.append(request.node.nodeid)
    if {condition}:
        raise OSError("Stale file handle")
"""


@pytest.mark.parametrize(
    ("condition", "promoted"), [("len(tries) < 2", True), ("'insertion' in tries[-1]", False)]
)
def test_the_last_try_counts_once(repository, condition, promoted):
    made = repository(clean=1, planted=0)
    made.pytester.makeconftest(RERUN.format(condition=condition))
    result = made.audit()
    verdict = agree(made, result)
    assert made.verdicts()["F0-s0"] == ("promote" if promoted else "undecided")
    findings = verdict["models"]["F0-s0"]["findings"]
    audits = [row["audit"] for row in findings]
    assert len(audits) == len(set(audits))
    assert {"decoy_insertion", "rashomon_membership"} <= set(audits)
    _, kept = record.read(made.path / "reports/record.jsonl")
    assert sorted(finding.audit for finding in kept) == sorted(audits)
    assert bool([finding for finding in kept if finding.error]) is not promoted


def test_the_call_that_pytest_made_is_what_is_judged(repository):
    made = repository(clean=1, planted=0, more="blocking: [once]")
    body = "from shortcut_audit import at_most\ncalls = []\ndef test_once(predictions, audit):\n    calls.append(1)\n"
    audit_file(
        made,
        "once",
        f"{body}    assert len(calls) == 1\n    audit.check([0.0] * 60, 0, at_most(0.1))\n",
    )
    assert made.audit().ret == 0


@pytest.mark.parametrize("what", ["record", "report"])
def test_a_full_disk_is_one_sentence(repository, monkeypatch, what):
    def full(*_):
        raise OSError(28, "No space left on device", "somewhere")

    made = repository(clean=1, planted=0)
    made.audit()
    target = record if what == "record" else registry.lookup("reporter", "verdict_json")
    monkeypatch.setattr(target, "append" if what == "record" else "write", full)
    result = made.audit()
    assert result.ret == 3
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    result.stdout.fnmatch_lines(
        ["*F0-s0*", "no verdict: cannot write 'somewhere' (No space left on device)*"]
    )
    assert not [
        name
        for name in ("verdict.json", "junit-per-model.xml", "summary.md")
        if (made.path / "reports" / name).exists()
    ]
    assert cases(made, "failure")


OWN_REPORTER = """
import dataclasses
import planted
from shortcut_audit import register

@register("reporter")
@dataclasses.dataclass(frozen=True)
class Own:
    name: str = "own.txt"

    def write(self, report, folder):
        (folder / self.name).write_text("half")
        raise ValueError("half a page")
"""


def half_written(name, error):
    """Writes half of a file, and breaks."""

    def write(_self, _report, folder):
        (folder / name).write_text("half")
        raise error

    return write


@pytest.mark.parametrize("which", ["verdict_json", "junit_per_model", "own"])
def test_a_needed_reporter_that_breaks_is_one_sentence(repository, monkeypatch, which):
    made = repository(clean=1, planted=0)
    if which == "own":
        made.pytester.makeconftest(OWN_REPORTER)
        word, name = "Own", "own.txt"
        # a process of its own, for what is registered stays so
        result = made.pytester.runpytest_subprocess(
            "audits", "--models=models", "--audit-trust-code"
        )
    else:
        reporter = registry.lookup("reporter", which)
        word, name = reporter.__name__, reporter().name
        write = half_written(name, ValueError("half a page"))
        monkeypatch.setattr(reporter, "write", write)
        result = made.audit()
    assert result.ret == 3
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    result.stdout.fnmatch_lines(
        [f"no verdict: {word} could not write its part of the report (ValueError: half a page)*"]
    )
    reports = made.path / "reports"
    left = {name, "verdict.json", "junit-per-model.xml", "report.html", "summary.md"}
    assert not [each for each in left if (reports / each).exists()]
    assert "page: " not in result.stdout.str()
    assert (reports / "record.jsonl").is_file()


SHOWS = ["exhibits_json", "mlflow_tags", "report_html", "summary_md", "technical_documentation"]


@pytest.mark.parametrize("which", SHOWS)
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("half a page"), "could not write its part of the report (ValueError: half a*"),
        (OSError(28, "No space left on device", "there"), "'there' (No space left on device)*"),
    ],
    ids=["broken", "full"],
)
def test_a_reporter_that_only_shows_and_breaks_is_a_note(
    repository, monkeypatch, which, error, said
):
    made = repository(clean=1, planted=0)
    reporter = registry.lookup("reporter", which)
    name = reporter().name
    monkeypatch.setattr(reporter, "write", half_written(name, error))
    result = made.audit()
    assert result.ret == 0
    assert made.verdicts() == {"F0-s0": "promote"}
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    result.stdout.fnmatch_lines([f"no {name}, which no verdict depends on: *{said}", "verdict: *"])
    assert ("page: " in result.stdout.str()) is (which != "report_html")
    assert not (made.path / "reports" / name).exists()
    (note,) = made.verdict()["provenance"]["notes"]
    assert note.startswith(f"no {name}, which no verdict depends on: ")
    assert not cases(made, "failure")
    assert not cases(made, "failure", "junit-per-model.xml")


def test_what_only_shows_is_all_of_ours_but_two():
    ours = set(registry.names("reporter")) - {"verdict_json", "junit_per_model"}
    assert set(SHOWS) == ours


def test_pytests_own_junit_on_a_full_disk_is_one_sentence(repository, monkeypatch):
    made = repository(clean=1, planted=0)
    made.pytester.makeconftest(
        "import planted\nimport pytest\n@pytest.hookimpl(trylast=True)\ndef pytest_sessionfinish():\n"
        "    raise OSError(28, 'No space left on device', 'reports/junit.xml')\n"
    )
    result = made.audit()
    assert result.ret == 3
    result.stdout.fnmatch_lines(
        ["no verdict: cannot write 'reports/junit.xml' (No space left on device)*"]
    )
    assert not (made.path / "reports/verdict.json").exists()


def test_a_machines_trouble_is_no_models_fault(repository, monkeypatch):
    def trouble(*_):
        raise MachineError("this machine has too little memory")

    made = repository(clean=1, planted=0)
    monkeypatch.setattr("shortcut_audit.evidence.answers.load_subject", trouble)
    result = made.audit()
    verdict = agree(made, result)
    assert verdict["models"]["F0-s0"]["verdict"] == "undecided"
    assert "too little memory" in verdict["models"]["F0-s0"]["sentence"]
    assert "Traceback" not in result.stdout.str()


CHANGES = "import pathlib\nfrom shortcut_audit import at_most\ndef test_a_change(subject, audit):\n    path = pathlib.Path({path!r})\n"
CHANGES += "    path.write_text(path.read_text() + '# changed\\n')\n    audit.check([0.0] * 50, 0, at_most(0.1))\n"


@pytest.mark.slow
@pytest.mark.parametrize("path", ["audits/test_decoy_insertion.py", "conftest.py"])
@pytest.mark.parametrize("more", [(), ("-n", "2")])
def test_an_audit_that_changes_while_it_runs_promotes_nobody(repository, path, more):
    made = repository(clean=1, planted=0)
    audit_file(made, "a_change", CHANGES.format(path=path))
    result = made.audit(*more)
    verdict = agree(made, result)
    assert verdict["models"]["F0-s0"]["verdict"] == "undecided"
    assert f"{path}' changed while the audits" in verdict["models"]["F0-s0"]["sentence"]


@pytest.mark.parametrize("other", ["scenario.yaml", "models/rashomon.yaml"])
def test_a_worker_that_reads_something_else_judges_nothing(repository, other, monkeypatch):
    # these tests may run in a worker themselves
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    made = repository(clean=2, planted=0)
    late = f"import os\nif 'PYTEST_XDIST_WORKER' in os.environ:\n    path = {str(made.path / other)!r}\n"
    late += "    text = open(path).read().replace('size: 0.3', 'size: 0.1').replace('std: [1, 1, 1]', 'std: [0.9, 0.9, 0.9]')\n"
    made.pytester.makeconftest(f"import planted\n{late}    open(path, 'w').write(text)\n")
    result = made.audit("-n", "1")
    verdict = agree(made, result)
    assert set(made.verdicts().values()) == {"undecided"}
    assert "changed after the run had begun" in verdict["models"]["F0-s0"]["sentence"]


def test_the_record_is_json_lines(repository):
    made = repository(clean=1, planted=0)
    made.audit()
    lines = (made.path / "reports/record.jsonl").read_text().splitlines()
    run, *rows = [json.loads(line) for line in lines]
    assert set(run["run"]["models"]) == {"F0-s0"}
    audits = [
        "above_chance",
        "decoy_insertion",
        "decoy_insertion@elsewhere",
        "decoy_insertion@stronger",
        "rashomon_membership",
    ]
    assert sorted(row["audit"] for row in rows) == audits
