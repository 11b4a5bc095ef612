"""What a verdict file says of one model -> in-toto statements: plain values, the same each time.

The structures are in-toto's: Statement v1, the predicates test-result v0.1 and Simple Verification
Result (SVR) v0.2, and resource descriptors. `statement.schema.json` beside this file has what is
written of them. The findings' figures stand in an extension field, under the names that the
proposed predicate eval-result gives them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import PurePath
from typing import Any

from shortcut_audit.promotion import Standing, standing, stops
from shortcut_audit.records import ABOVE_CHANCE, Decision, Finding, Verdict
from shortcut_audit.reporting.record import from_row

STATEMENT = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
SVR = "https://in-toto.io/attestation/svr/v0.2"
VERIFIER = "pkg:generic/shortcut-audit"  # with the version of the run: a package URL
RESULTS = {Decision.PROMOTE: "PASSED", Decision.REJECT: "FAILED"}
WARNED = "WARNED"  # undecided or waived: neither passed nor failed
EXTENSION = "shortcutAudit"  # the field of a predicate that is ours
PREFIX = "SHORTCUT_AUDIT"

Descriptor = dict[str, Any]  # in-toto's ResourceDescriptor


@dataclass(frozen=True)
class Attested:
    """What statements are made of: one model's verdict, and what it was reached with."""

    model: str
    file: str  # the checkpoint's name, without its folder
    sha256: str
    decision: Decision
    sentence: str
    findings: tuple[Finding, ...]
    time: str  # when the run was made, as 2027-01-31T12:00:00Z
    version: str  # of this package, in that run
    configuration: tuple[Descriptor, ...]
    files: tuple[str, ...] = ()  # of a model in several files: then `sha256` is in-toto's dirHash


def read(model: str, document: Mapping[str, Any]) -> Attested:
    """What a verdict file says of a model.

    Raises:
        KeyError, TypeError, ValueError: it does not say all that a statement needs.
    """
    row, provenance = document["models"][model], document["provenance"]
    made = datetime.fromisoformat(provenance["time"]).astimezone(UTC)
    return Attested(
        model=model,
        file=PurePath(row["file"]).name,
        sha256=row["sha256"],
        decision=Decision(row["verdict"]),
        sentence=row["sentence"],
        findings=tuple(from_row(each) for each in row["findings"]),
        time=made.strftime("%Y-%m-%dT%H:%M:%SZ"),
        version=provenance["packages"]["shortcut-audit"],
        configuration=tuple(_configuration(document)),
        files=tuple(row.get("read_as", {}).get("files", ())),
    )


def _configuration(document: Mapping[str, Any]) -> Iterator[Descriptor]:
    scenario = document["scenario"]
    named = descriptor("scenario", scenario["digest"])
    yield {**named, "annotations": {"path": scenario["path"]}}
    yield descriptor("suite", document["suite"]["digest"])
    for name, digest in sorted(document["data"].items()):
        yield descriptor(f"data/{name}", digest)


def descriptor(name: str, digest: str, algorithm: str = "sha256") -> Descriptor:
    """A resource as in-toto describes it, by name and digest."""
    return {"name": name, "digest": {algorithm: digest}}


def test_result(attested: Attested) -> dict[str, Any]:
    """The statement of what the tests came to, whatever that is."""
    tests: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    for finding in attested.findings:
        if kind := _kind(finding):
            tests[kind].append(test_name(finding))
    predicate = {
        "result": RESULTS.get(attested.decision, WARNED),
        "configuration": list(attested.configuration),
        **tests,
        EXTENSION: {
            "model": attested.model,
            "verdict": attested.decision.value,
            "sentence": attested.sentence,
            "evaluatedAt": attested.time,
            "verifier": {"id": f"{VERIFIER}@{attested.version}"},
            "claims": [_claim(each) for each in attested.findings if _is_measured(each)],
        },
    }
    return _statement(attested, TEST_RESULT, predicate)


def verification_result(attested: Attested) -> dict[str, Any]:
    """The statement of what was verified, for a model that is promoted.

    Law: it lists what blocks and holds, and nothing else.

    Raises:
        ValueError: the model is not promoted.
    """
    if attested.decision is not Decision.PROMOTE:
        raise ValueError(f"{attested.model} is not promoted: {attested.sentence}")
    held = [each for each in attested.findings if each.blocking and each.verdict is Verdict.HOLDS]
    predicate = {
        "verifier": {
            "id": f"{VERIFIER}@{attested.version}",
            "policies": list(attested.configuration),
        },
        "timeCreated": attested.time,
        "properties": sorted({_property(each) for each in held}),
    }
    return _statement(attested, SVR, predicate)


def _statement(attested: Attested, kind: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    named = {"model": attested.model}
    if attested.files:
        named["files"] = "\n".join(attested.files)
    subject = descriptor(attested.file, attested.sha256, "dirHash" if attested.files else "sha256")
    return {
        "_type": STATEMENT,
        "subject": [{**subject, "annotations": named}],
        "predicateType": kind,
        "predicate": dict(predicate),
    }


def test_name(finding: Finding) -> str:
    """`decoy_insertion[stop_sign]`, or `rashomon_membership` where there is no decoy."""
    return f"{finding.audit}[{finding.decoy}]" if finding.decoy else finding.audit


def _kind(finding: Finding) -> str:
    """In which list a finding's test stands; "" where it said nothing, so that it is in none."""
    stands = standing(finding)
    if stands in (Standing.DOES_NOT_APPLY, Standing.NOT_ASKED):
        return ""
    if stands is Standing.HOLDS:
        return "passedTests"
    violated = stops(finding) and finding.verdict is Verdict.VIOLATED
    return "failedTests" if violated else "warnedTests"


def _property(finding: Finding) -> str:
    """`SHORTCUT_AUDIT_DECOY_INSERTION_STOP_SIGN`."""
    words: Sequence[str | None] = (PREFIX, finding.audit, finding.decoy)
    return re.sub(r"\W", "_", "_".join(filter(None, words))).upper()


def _is_measured(finding: Finding) -> bool:
    judgement = finding.judgement
    known = not math.isnan(judgement.limit) and judgement.estimate.n > 0
    return known and finding.applies and not finding.error


def _claim(finding: Finding) -> dict[str, Any]:
    """A finding under eval-result's names, and under ours what that has no name for.

    What is at most the limit only in excess of clean reference models is that excess.
    """
    judgement = finding.judgement
    excess = judgement.excess is not None
    return {
        "metric": f"{finding.audit}{' beyond clean reference models' if excess else ''}",
        "comparator": ">" if finding.audit == ABOVE_CHANCE else "<=",
        "threshold": _decimal(judgement.limit),
        "passed": finding.verdict is Verdict.HOLDS,
        "sampleSize": judgement.estimate.n,
        "test": test_name(finding),
        "verdict": finding.verdict.value,
        "blocking": finding.blocking,
        "value": _decimal(judgement.excess if excess else judgement.estimate.value),
        "interval": list(_interval(finding)),
        **({"waived": finding.waived} if finding.waived else {}),
    }


def _interval(finding: Finding) -> Iterable[str]:
    """The effect's ends; of an excess only the far one is known."""
    judgement = finding.judgement
    if judgement.excess is not None and judgement.excess_high is not None:
        return (_decimal(judgement.excess_high),)
    return _decimal(judgement.estimate.low), _decimal(judgement.estimate.high)


def _decimal(number: float | None) -> str:
    """A number as text, so that no reader rounds it: `0.1`, never `1e-05`."""
    return f"{Decimal(str(number)):f}" if number is not None else ""
