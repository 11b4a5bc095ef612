"""`junit-per-model.xml`: one suite for each model, for reviewers who ask "and this model?"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from junit_xml import TestCase, TestSuite, to_xml_report_string

from shortcut_audit.files.whole import replacing
from shortcut_audit.promotion import PROMOTED, stops
from shortcut_audit.records import Finding, ModelReport, Report
from shortcut_audit.registry import register

# what XML 1.0 cannot hold
CONTROL_CHARACTERS = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@register("reporter")
@dataclass(frozen=True)
class JunitPerModel:
    """A failure is a finding that keeps the model from being promoted; the last case of a suite is
    its verdict.
    """

    name: str = "junit-per-model.xml"

    def write(self, report: Report, folder: Path) -> Path:
        """Writes the file in one piece and returns its path."""
        suites = [TestSuite(name, _cases(name, model)) for name, model in report.models.items()]
        path = folder / self.name
        with replacing(path) as unfinished:
            unfinished.write_text(to_xml_report_string(suites, prettyprint=False), encoding="utf-8")
        return path


def _cases(name: str, model: ModelReport) -> list[TestCase]:
    cases = [_case(name, finding) for finding in model.findings]
    verdict = TestCase(
        f"{name} verdict",
        classname="shortcut_audit.verdict",
        elapsed_sec=0,
        stdout=_clean(model.sentence),
    )
    if model.decision not in PROMOTED:
        verdict.add_failure_info(
            message=_clean(model.sentence),
            output=_clean(model.sentence),
            failure_type=model.decision.value,
        )
    return [*cases, verdict]


def _case(name: str, finding: Finding) -> TestCase:
    of = f" with {finding.decoy}" if finding.decoy else ""
    case = TestCase(
        f"{name} {finding.audit}{of}",
        classname=f"audits.{finding.audit}",
        elapsed_sec=finding.seconds,
    )
    text = _clean(f"{finding.verdict.value}: {finding.claim}")
    case.stdout = text
    if not finding.applies or (finding.error and not finding.blocking):
        case.stdout = None
        case.add_skipped_info(message=_clean(finding.claim))
    if stops(finding):
        add = case.add_error_info if finding.error else case.add_failure_info
        add(message=_clean(finding.claim), output=text)
    return case


def _clean(text: str) -> str:
    return CONTROL_CHARACTERS.sub("", text)
