"""What blocks promotion, what is only noted, what is waived, and what stops a model."""

from __future__ import annotations

from shortcut_audit.records import MEMBERSHIP, Case, Finding, Verdict
from shortcut_audit.scenario import Scenario


def blocks(scenario: Scenario, audit: str) -> bool:
    """Whether the scenario lets this audit block promotion; `influence_precision@50` is also meant
    by its bare name.
    """
    return audit in scenario.blocking or audit.partition("@")[0] in scenario.blocking


def only_noted(scenario: Scenario, audit: str, verdict: Verdict) -> bool:
    """Whether a verdict of an audit that blocks is shown and stops nobody: images too few to tell
    two accuracies apart.
    """
    return (
        audit == MEMBERSHIP
        and verdict is Verdict.UNDECIDED
        and scenario.rashomon.undecided == "noted"
    )


def stops(finding: Finding) -> bool:
    """Whether this finding keeps its model from being promoted."""
    return finding.blocking and finding.verdict is not Verdict.HOLDS and not finding.waived


def waiver(scenario: Scenario, audit: str, case: Case) -> str:
    """The reason for which somebody waived this audit of this model; empty where nobody did."""
    for each in scenario.waivers:
        named = each.audit in (audit, audit.partition("@")[0]) and case.models == (each.model,)
        if named and each.decoy in (None, case.decoy):
            return each.reason
    return ""
