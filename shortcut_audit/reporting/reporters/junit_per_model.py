"""`junit-per-model.xml`: one suite for each model, for reviewers who ask "and this model?", one for
the pairs, and one for the run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os.path import relpath
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import ElementTree, fromstring

from junit_xml import TestCase, TestSuite, to_xml_report_string

from shortcut_audit.exhibits import Exhibit
from shortcut_audit.files.whole import replacing
from shortcut_audit.promotion import ELSEWHERE, PROMOTED, Standing, standing, stops
from shortcut_audit.records import Finding, ModelReport, Report, Verdict
from shortcut_audit.registry import register
from shortcut_audit.reporting.deciding import deciding, headline, would_change
from shortcut_audit.showing.exhibits_file import kept_picture

Style = Literal["gitlab", "jenkins", "none"]

# what XML 1.0 cannot hold
CONTROL_CHARACTERS = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ATTACHMENT = "[[ATTACHMENT"  # a server takes the file that is named behind it
UNNAMEABLE = re.compile(r"[\[\]|\r\n]")  # what the path of an attachment cannot hold


def of_environment(environment: Mapping[str, str] = os.environ) -> Style:
    """The style of the server that this runs on, by the variables that it sets."""
    if environment.get("GITLAB_CI"):
        return "gitlab"
    return "jenkins" if environment.get("JENKINS_URL") else "none"


@register("reporter")
@dataclass(frozen=True)
class JunitPerModel:
    """A failure is a finding that keeps its model from being promoted, a model that is not
    promoted, or a run that failed.

    attachments: `gitlab` names pictures as seen from the project's folder, `jenkins` by absolute
        paths, `none` names none. Jenkins' schema knows no `file`: there the text alone names it.
    Laws: no two cases have one name, and each keeps its own from run to run; there is a failure or
        an error exactly where the exit code is not 0.
    """

    name: str = "junit-per-model.xml"
    attachments: Style = field(default_factory=of_environment)

    def write(self, report: Report, folder: Path) -> Path:
        """Writes the file in one piece and returns its path."""
        path = folder / self.name
        write_suites(_suites(report, _Server(self.attachments, report, folder)), path)
        return path


def write_suites(suites: Sequence[TestSuite], path: Path) -> None:
    """Writes JUnit's file in one piece, as servers read it; raises OSError where it cannot be."""
    root = fromstring(to_xml_report_string(suites, prettyprint=False))
    for element in root.iter():
        _as_servers_read_it(element.tag, element.attrib)
    with replacing(path) as unfinished:
        ElementTree(root).write(unfinished, encoding="utf-8", xml_declaration=True)


def _as_servers_read_it(tag: str, attributes: dict[str, str]) -> None:
    """Takes away what junit-xml writes and no server's schema has, and gives times three places."""
    attributes.pop("disabled", None)
    if tag in ("testsuites", "testsuite", "testcase"):
        attributes["time"] = f"{float(attributes.get('time', 0)):.3f}"


@dataclass(frozen=True)
class _Server:
    """What the server that reads the file takes of a finding: a picture, and where the test is."""

    style: Style
    report: Report
    folder: Path

    def attached(self, finding: Finding | None) -> str:
        """The line that attaches the picture that tells most; "" where there is none to show."""
        if finding is None or self.style == "none" or finding.verdict is Verdict.HOLDS:
            return ""
        if not finding.blocking or finding.audit.endswith(ELSEWHERE):
            return ""
        for exhibit in self.report.exhibits:
            if ((exhibit.model,), exhibit.decoy) == (finding.subjects, finding.decoy):
                return self._named(_most_telling(exhibit))
        return ""

    def _named(self, file: str) -> str:
        if not kept_picture(self.folder, file):
            return ""  # a server would publish any file that is named
        path = str((self.folder / file).absolute())
        if self.style == "gitlab":
            path = Path(relpath(path, os.environ.get("CI_PROJECT_DIR") or ".")).as_posix()
        return "" if UNNAMEABLE.search(path) else f"{ATTACHMENT}|{path}]]"

    def place(self, finding: Finding) -> str | None:
        """The attribute `file`, as pytest has it, where it is known and the server's schema has
        one.
        """
        file = finding.case.partition("::")[0]
        return clean(file) if file and self.style != "jenkins" else None


def _most_telling(exhibit: Exhibit) -> str:
    """The worst picture with the decoy on it, or where the model looks; "" where neither is."""
    if exhibit.tiles:
        return exhibit.tiles[0].decoyed.file
    return exhibit.looked[0].revealed if exhibit.looked else ""


def _suites(report: Report, server: _Server) -> list[TestSuite]:
    taken: dict[str, int] = {}
    suites = []
    for name, model in report.models.items():
        cases = _cases(model.findings, server, taken)
        suites.append(TestSuite(clean(name), [*cases, _verdict(name, model, server, taken)]))
    if report.pairs:
        suites.append(TestSuite("pairs of models", _cases(report.pairs, server, taken)))
    return [*suites, TestSuite("the run", [_end(report, taken)])]


def _cases(findings: Sequence[Finding], server: _Server, taken: dict[str, int]) -> list[TestCase]:
    """A case for each finding, in their order; names are given out in the order of the tests' ids,
    which other workers do not change.
    """
    cases: dict[int, TestCase] = {}
    for at in sorted(range(len(findings)), key=lambda at: (findings[at].case, at)):
        finding = findings[at]
        of = f" with {finding.decoy}" if finding.decoy else ""
        cases[at] = TestCase(
            _unlike(f"{' + '.join(finding.subjects)} {finding.audit}{of}", taken),
            classname=clean(f"audits.{finding.audit}"),
            elapsed_sec=finding.seconds,
            file=server.place(finding),
        )
        _say(cases[at], finding, server.attached(finding))
    return [cases[at] for at in range(len(findings))]


def _say(case: TestCase, finding: Finding, attached: str) -> None:
    """Puts the outcome, and the sentence, into the case."""
    text, claim = f"{_worded(finding)}: {finding.claim}", clean(finding.claim)
    stands = standing(finding)
    if stops(finding):
        add = case.add_error_info if stands is Standing.ERROR else case.add_failure_info
        add(claim, clean("\n".join(filter(None, [text, finding.case]))), finding.verdict.value)
        text = ""
    elif stands in (Standing.DOES_NOT_APPLY, Standing.NOT_ASKED):
        case.add_skipped_info(message=claim)
        text = ""
    _print(case, text, attached)


def _worded(finding: Finding) -> str:
    """The verdict, and why one that is not HOLDS stops nobody."""
    whys = {
        Standing.WAIVED: f" (waived {finding.waived})",
        Standing.NOTED: " (only noted, it blocks nothing)",
    }
    return f"{finding.verdict.value}{whys.get(standing(finding), '')}"


def _print(case: TestCase, text: str, attached: str) -> None:
    """Puts both into the case as what the test printed."""
    case.stdout = "\n".join(filter(None, [clean(text), attached])) or None


def _verdict(name: str, model: ModelReport, server: _Server, taken: dict[str, int]) -> TestCase:
    """The last case of a model: what becomes of it, and why."""
    case = _closing("verdict", f"{name} verdict", taken)
    if model.decision in PROMOTED:
        _print(case, model.sentence, "")
        return case
    _fail(
        case,
        model.sentence,
        f"{model.sentence}\nwhat would change it: {would_change(model)}",
        model.decision.value,
    )
    _print(case, "", server.attached(deciding(model)))
    return case


def _end(report: Report, taken: dict[str, int]) -> TestCase:
    """The last case of all: it fails where the exit code is not 0."""
    case, said = _closing("run", "all models", taken), headline(report)
    if report.exit_code:
        _fail(case, said, f"{said} (exit code {report.exit_code})", "run")
    else:
        _print(case, said, "")
    return case


def _fail(case: TestCase, message: str, told: str, kind: str) -> None:
    case.add_failure_info(message=clean(message), output=clean(told), failure_type=kind)


def _closing(kind: str, name: str, taken: dict[str, int]) -> TestCase:
    return TestCase(_unlike(name, taken), classname=f"shortcut_audit.{kind}", elapsed_sec=0)


def _unlike(name: str, taken: dict[str, int]) -> str:
    """The name, or `name (2)` where it is taken."""
    # XML reads each of these as a blank in a name
    name = re.sub(r"[\t\r\n]", " ", clean(name))
    number, free = taken.get(name, 0), name
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    taken[name] = max(number, 1)
    taken.setdefault(free, 1)
    return free


def clean(text: str) -> str:
    """The text as XML can hold it.

    A name or a claim attaches nothing: the server would take any file that is named in one.
    """
    return CONTROL_CHARACTERS.sub("", text).replace(ATTACHMENT, ATTACHMENT.replace("[[", "[ ["))
