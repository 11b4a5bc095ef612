"""`mlflow_tags.json`: what a registry shows beside a model, as flat text."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from shortcut_audit.files.whole import printable, replacing
from shortcut_audit.promotion import Standing, standing
from shortcut_audit.records import Finding, ModelReport, Report
from shortcut_audit.registry import register
from shortcut_audit.reporting.deciding import effect, limit

PREFIX = "shortcut_audit"
KEY, VALUE = 250, 500  # bytes that every version and storage of MLflow takes
FORBIDDEN = re.compile(r"[^\w.\- ]")  # in a key: MLflow reads `/` and `:` as part of a path
CUT = "…"


@register("reporter")
@dataclass(frozen=True)
class MlflowTags:
    """model -> tag -> text: verdict, sentence, digests, and a tag for each finding.

    Laws: every tag is one that MLflow takes; no two findings of a model share one.
    """

    name: str = "mlflow_tags.json"

    def write(self, report: Report, folder: Path) -> Path:
        """Writes the file in one piece and returns its path."""
        tags = {name: dict(_tags(model, report)) for name, model in report.models.items()}
        path = folder / self.name
        with replacing(path) as unfinished:
            text = json.dumps(tags, indent=1, ensure_ascii=False)
            unfinished.write_text(f"{printable(text)}\n", encoding="utf-8")
        return path


def _tags(model: ModelReport, report: Report) -> Iterator[tuple[str, str]]:
    about = {
        "verdict": model.decision.value,
        "sentence": model.sentence,
        "sha256": model.sha256 or "",
        "scenario_digest": report.scenario["digest"],
        "suite_digest": report.suite.get("digest", ""),
        "time": report.provenance.get("time", ""),
    }
    for name, text in about.items():
        yield f"{PREFIX}.{name}", _cut(text, VALUE)
    for finding in model.findings:
        yield _key(finding, about), _cut(_value(finding), VALUE)


def _key(finding: Finding, taken: Collection[str]) -> str:
    """`shortcut_audit.decoy_insertion.stop_sign`.

    One that MLflow would not take, or that could be another's, ends in a digest.
    """
    names = [*finding.audit.split("@"), *([finding.decoy] if finding.decoy else [])]
    wanted = ".".join([PREFIX, *names])
    key = _cut(FORBIDDEN.sub("_", wanted), KEY - 9)
    plain = len(names) == wanted.count(".") and finding.audit not in taken
    if key == wanted and plain:
        return key
    own = json.dumps([finding.audit, finding.decoy])
    return f"{key.removesuffix(CUT)}.{hashlib.sha256(own.encode()).hexdigest()[:8]}"


def _value(finding: Finding) -> str:
    """`HOLDS: 2 points [0, 5], limit 10, n = 372`."""
    if not finding.applies or finding.error:
        said = f"{'not measured' if finding.error else 'does not apply'}: {finding.claim}"
    else:
        n = finding.judgement.estimate.n
        said = f"{finding.verdict.value}: {effect(finding)}, limit {limit(finding)}, n = {n}"
    noted = "" if finding.blocking else "; does not block"
    excused = standing(finding) is Standing.WAIVED
    return f"{said}{f'; waived {finding.waived}' if excused else noted}"


def _cut(text: str, most: int) -> str:
    """The text in one line that is UTF-8, and no longer than so many bytes of it."""
    text = " ".join(printable(text).split())
    if len(text.encode()) <= most:
        return text
    room = most - len(CUT.encode())
    return text.encode()[:room].decode(errors="ignore") + CUT
