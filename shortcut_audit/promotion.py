"""What blocks promotion, what is only noted, what is waived, and what stops a model."""

from __future__ import annotations

from collections.abc import Iterable

from shortcut_audit.records import ACCURACY, Case, Decision, Finding, Verdict
from shortcut_audit.scenario import Scenario

PROMOTED = (Decision.PROMOTE, Decision.WAIVED)


def blocks(scenario: Scenario, audit: str) -> bool:
    """Whether the scenario lets this audit block promotion.

    `influence_precision` in the scenario means `influence_precision@50` as well.
    """
    return audit in scenario.blocking or audit.partition("@")[0] in scenario.blocking


def only_noted(scenario: Scenario, role: str, verdict: Verdict) -> bool:
    """Whether this verdict of a blocking audit is shown without stopping its model.

    It is where images are too few to tell two accuracies apart and the scenario says `noted`.
    """
    noted = scenario.rashomon.undecided == "noted"
    return role == ACCURACY and verdict is Verdict.UNDECIDED and noted


def stops(finding: Finding) -> bool:
    """Whether this finding keeps its model from being promoted."""
    return finding.blocking and finding.verdict is not Verdict.HOLDS and not finding.waived


def open_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Those that keep their model from being promoted."""
    return [finding for finding in findings if stops(finding)]


def waiver(scenario: Scenario, audit: str, case: Case) -> str:
    """The reason for which somebody waived this audit of this model; empty where nobody did."""
    for each in scenario.waivers:
        named = each.audit in (audit, audit.partition("@")[0]) and case.models == (each.model,)
        if named and each.decoy in (None, case.decoy):
            return each.reason
    return ""
