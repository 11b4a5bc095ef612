"""What becomes of a model: what blocks, what is only noted or waived, and the decision itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum

from shortcut_audit.errors import did_you_mean
from shortcut_audit.records import ABOVE_CHANCE, ACCURACY, Decision, Finding, Verdict
from shortcut_audit.scenario import Scenario
from shortcut_audit.waivers import unmatched, waived

PROMOTED = (Decision.PROMOTE, Decision.WAIVED)
ORDER = (Decision.REJECT, Decision.UNDECIDED, Decision.WAIVED, Decision.PROMOTE)  # urgent first
# how the audits end that ask about classes, and strengths, that the scenario does not name
ELSEWHERE, STRONGER = "@elsewhere", "@stronger"
UNNAMED = (ELSEWHERE, STRONGER)
# audits that block where the scenario does not say otherwise, and that old copies may lack
OURS = {"natural_insertion", "natural_need"}


class Standing(StrEnum):
    """What a finding does to its model's promotion: the first three stop it, and none of the
    others does.
    """

    ERROR = "ERROR"  # nothing was measured, and the audit blocks
    VIOLATED = "VIOLATED"
    UNDECIDED = "UNDECIDED"
    WAIVED = "WAIVED"  # it would stop its model, and somebody took the responsibility
    NOTED = "NOTED"  # it does not hold, and the audit does not block
    HOLDS = "HOLDS"
    DOES_NOT_APPLY = "DOES_NOT_APPLY"
    NOT_ASKED = "NOT_ASKED"  # nothing was measured, and the audit does not block


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
    """Whether this finding keeps its model from being promoted.

    What was not measured, because the file or an audit is broken, is waived by nobody.
    """
    excused = finding.waived and not finding.error
    return finding.blocking and finding.verdict is not Verdict.HOLDS and not excused


def standing(finding: Finding) -> Standing:
    """How a finding stands, which every report says in its own words.

    Laws: ERROR, VIOLATED and UNDECIDED are what `stops`, and WAIVED is what is `excused`.
    """
    if stops(finding):
        return Standing.ERROR if finding.error else Standing(finding.verdict)
    if excused([finding]):
        return Standing.WAIVED
    if not finding.applies:
        return Standing.DOES_NOT_APPLY
    if finding.error:
        return Standing.NOT_ASKED
    return Standing.HOLDS if finding.verdict is Verdict.HOLDS else Standing.NOTED


def named(finding: Finding) -> bool:
    """Whether it is about a class and a strength that the scenario names."""
    return not finding.audit.endswith(UNNAMED)


def open_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Those that keep their model from being promoted."""
    return [finding for finding in findings if stops(finding)]


def excused(findings: Iterable[Finding]) -> list[Finding]:
    """Those that would keep their model from being promoted if nobody had waived them."""
    found = []
    for finding in findings:
        if finding.blocking and finding.verdict is not Verdict.HOLDS and not stops(finding):
            found.append(finding)
    return found


def contradiction(decision: str, findings: Sequence[Finding]) -> str:
    """Why this cannot have been decided from these findings of a model; "" where it can."""
    says, stopping, let = f"it says {decision}, and", open_findings(findings), excused(findings)
    if decision == Decision.REJECT:
        violated = any(finding.verdict is Verdict.VIOLATED for finding in stopping)
        return "" if violated else f"{says} no audit that blocks says VIOLATED"
    if decision not in PROMOTED:
        return ""
    if stopping:
        return f"{says} {stopping[0].audit} says {stopping[0].verdict}"
    if not any(finding.blocking for finding in findings):
        return f"{says} no audit that blocks was run"
    if bool(let) is not (decision == Decision.WAIVED):
        return f"{says} {let[0].audit if let else 'nothing'} was waived"
    return ""


def decided_again(
    name: str, findings: Iterable[Finding], scenario: Scenario
) -> tuple[Decision, str]:
    """As `decide`, from what was measured and the scenario alone: what the findings themselves say
    of what blocks and what is waived does not count.
    """
    found = []
    for each in findings:
        deciding = blocks(scenario, each.audit) and each.applies
        noted = only_noted(scenario, each.role, each.verdict)
        blocking = each.audit == ABOVE_CHANCE or (deciding and not noted)
        found.append(replace(each, blocking=blocking, waived="", waived_until=""))
    return decide(name, waived(found, scenario.waivers), scenario)


def decide(name: str, findings: Sequence[Finding], scenario: Scenario) -> tuple[Decision, str]:
    """What becomes of a model, and the sentence that says why.

    It is rejected if a blocking finding is VIOLATED, and undecided if one is UNDECIDED or missing,
    or a waiver waives nothing of it. Else it is waived, where somebody waived a finding, or
    promoted.
    """
    open_ones = open_findings(findings)
    violated = [finding for finding in open_ones if finding.verdict is Verdict.VIOLATED]
    if violated:
        return Decision.REJECT, max(violated, key=_beyond).claim
    if open_ones:
        return Decision.UNDECIDED, max(open_ones, key=_beyond).claim
    if why := _incomplete(name, findings, scenario):
        return Decision.UNDECIDED, why
    own = [each for each in scenario.waivers if each.model]
    for why in unmatched(own, findings, scenario.named):
        return Decision.UNDECIDED, f"{name}: {why}"
    if let := excused(findings):
        return Decision.WAIVED, f"{let[0].claim}; waived {let[0].waived}"
    return Decision.PROMOTE, _passed(name, [finding for finding in findings if finding.blocking])


def _incomplete(name: str, findings: Sequence[Finding], scenario: Scenario) -> str:
    """The sentence that says what of the model nobody has looked at; "" where that is nothing."""
    if not scenario.named:
        why = "the scenario names no decoy, so that nothing was looked for: add one to 'decoys'"
        return f"{name}: {why}"
    missing = []
    for audit in scenario.blocking:
        missing += _lacking(audit, findings, scenario)
    if missing:
        why = f"was not audited by {', '.join(missing)}: run the whole suite to promote it"
        if OURS & set(missing):
            return f"{name} {why} (a copy of the audits that is older than this package lacks it)"
        return f"{name} {why}{misspelt(scenario, [finding.audit for finding in findings])}"
    looked_at = {finding.decoy for finding in findings if finding.blocking}
    unseen = [decoy for decoy in scenario.named if decoy not in looked_at]
    if unseen:
        such = "natural" if unseen[0] in scenario.attributes else "decoy"
        return (
            f"{name}: no audit that blocks looked at {', '.join(unseen)}: "
            f"add one that does to 'blocking', such as {such}_insertion"
        )
    return ""


def misspelt(scenario: Scenario, audits: Iterable[str]) -> str:
    """`; did you mean '...'?` where one that blocks is nearly called as one of these audits is, and
    none is called so; else "".
    """
    known = {audit.partition("@")[0] for audit in audits}
    for audit in scenario.blocking:
        if audit.partition("@")[0] not in known:
            hint = did_you_mean(audit, known)
            if "did you mean" in hint:
                return hint
    return ""


def _lacking(audit: str, findings: Sequence[Finding], scenario: Scenario) -> list[str]:
    """What a blocking audit has not looked at: itself, or some of the decoys."""
    seen = set()
    for each in findings:
        noted = only_noted(scenario, each.role, each.verdict)
        counts = each.blocking or not each.applies or noted
        if counts and audit in (each.audit, each.audit.partition("@")[0]):
            seen.add(each.decoy)
    if not seen:
        return [audit]
    if None in seen:
        return []
    asked = scenario.attributes if seen <= scenario.attributes.keys() else scenario.decoys
    return [f"{audit} with {decoy}" for decoy in asked if decoy not in seen]


def _beyond(finding: Finding) -> tuple[bool, bool, float]:
    """For the worst: where nothing was measured, then what was named, then by how much."""
    value, limit = finding.judgement.estimate.value, finding.judgement.limit
    value, limit = (0.0 if math.isnan(each) else each for each in (value, limit))
    return finding.error, named(finding), value - limit


def _passed(name: str, blocking: Sequence[Finding]) -> str:
    """How many decoys, which effect would have been found, and what the pass speaks for."""
    count = len({finding.decoy for finding in blocking if finding.decoy})
    decoys = "decoy" if count == 1 else "decoys"
    found = f"{name} was audited for {count} {decoys}, and no shortcut was found"
    return found + _power(blocking) + _accuracy(blocking) + _tried(blocking) + _innocent(blocking)


def _power(findings: Sequence[Finding]) -> str:
    """The effect that each of these would have found: the largest of the smallest."""
    least = []
    for finding in findings:
        if finding.decoy and finding.judgement.detectable is not None:
            least.append(finding.judgement.detectable)
    return f"; an effect of {100 * max(least):.0f} points would have been found" if least else ""


def _accuracy(findings: Sequence[Finding]) -> str:
    """How often the model is right on plain pictures."""
    for finding in findings:
        estimate = finding.judgement.estimate
        if finding.audit == ABOVE_CHANCE and not math.isnan(estimate.value):
            return f"; it is right on {100 * estimate.value:.0f} % of {estimate.n} plain images"
    return ""


def _tried(findings: Sequence[Finding]) -> str:
    """Which sizes, opacities and places of each decoy were tried: a pass speaks for these alone."""
    tried: dict[str | None, str] = {}
    for finding in findings:
        tried[finding.decoy] = max(tried.get(finding.decoy, ""), finding.tried, key=len)
    words = ", ".join(each for each in tried.values() if each)
    return f"; this speaks for {words}, and for nothing else" if words else ""


def _innocent(findings: Sequence[Finding]) -> str:
    """Where a decoy does much, and its control as much: why this is no shortcut."""
    loud = [finding for finding in findings if _is_loud(finding)]
    if not loud:
        return ""
    loudest = max(loud, key=lambda finding: finding.judgement.observed)
    innocent = loudest.judgement.excess is not None
    by = "clean reference models do" if innocent else "a neutral control does"
    return f"; what {by} as well is none: {loudest.claim}"


def _is_loud(finding: Finding) -> bool:
    """Whether the decoy that is named does more than the limit, before its control is taken off."""
    judged = finding.judgement
    if not finding.decoy or not named(finding):
        return False
    compared = judged.control is not None and judged.limit > 0
    return compared and judged.observed > judged.limit
