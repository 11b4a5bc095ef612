"""Outcomes -> the same rates apart for each decoy family, half, recipe and audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from shortcut_audit.calibration.behaviour import Behaviour, behaviour
from shortcut_audit.calibration.outcomes import Row, deciding, has_verdict, own
from shortcut_audit.calibration.population import is_image_wide, settings
from shortcut_audit.calibration.rates import (
    alarms,
    at_most,
    by_coverage,
    mean,
    percentiles,
    verdicts,
)
from shortcut_audit.calibration.trials import Outcome
from shortcut_audit.records import ACCURACY, Finding, Verdict
from shortcut_audit.scenario import Scenario

TUNING, REPORTING = "tuning", "reporting"  # the halves of the decoy families


def by_behaviour(clean: Sequence[Outcome]) -> dict[str, Row]:
    """Single tests of models trained without a decoy, by what the decoy does to them.

    A test is one model with one decoy; the decoy's insertion on fresh pictures gives its row.
    """
    tests: dict[Behaviour, list[Finding]] = {label: [] for label in Behaviour}
    for outcome in clean:
        for finding in deciding(outcome):
            tests[behaviour(outcome.insertion[str(finding.decoy)])].append(finding)
    return {label.value: _tests(tests[label]) for label in Behaviour}


def _tests(findings: Sequence[Finding]) -> Row:
    count, found = len(findings), verdicts(findings)
    return {
        "tests": count,
        "violated": found[Verdict.VIOLATED],
        "undecided": found[Verdict.UNDECIDED],
        "violated_rate_at_most": at_most(found[Verdict.VIOLATED], count),
    }


def by_family(
    scenario: Scenario, decoys: Sequence[Outcome], clean: Sequence[Outcome]
) -> dict[str, Row]:
    """For each decoy, the power on models trained with it, and its tests of clean models."""
    rows = {}
    for family in scenario.decoys:
        tests = _tests_with(clean, [family])
        rows[family] = {
            "kind": "image-wide" if is_image_wide(scenario, family) else "local",
            "half": _half(scenario, family),
            "power": by_coverage(_trained_with(decoys, [family])),
            **_clean_tests(tests),
            "clean_effect": mean(finding.judgement.estimate.value for finding in tests),
        }
    return rows


def by_half(
    scenario: Scenario, local: Sequence[Outcome], clean: Sequence[Outcome]
) -> dict[str, Row]:
    """For each half of the decoys, the power on local ones, and its tests of clean models."""
    rows = {}
    for half in (TUNING, REPORTING):
        families = [family for family in scenario.decoys if _half(scenario, family) == half]
        rows[half] = {
            "power": by_coverage(_trained_with(local, families)),
            **_clean_tests(_tests_with(clean, families)),
        }
    return rows


def _half(scenario: Scenario, family: str) -> str:
    return TUNING if family in settings(scenario).tuning else REPORTING


def _trained_with(outcomes: Iterable[Outcome], families: Sequence[str]) -> list[Outcome]:
    return [outcome for outcome in outcomes if own(outcome) in families]


def _tests_with(outcomes: Iterable[Outcome], families: Sequence[str]) -> list[Finding]:
    tests: list[Finding] = []
    for outcome in outcomes:
        tests += [finding for finding in deciding(outcome) if finding.decoy in families]
    return tests


def _clean_tests(findings: Sequence[Finding]) -> Row:
    found = verdicts(findings)
    return {
        "clean_tests": len(findings),
        "clean_violated": found[Verdict.VIOLATED],
        "clean_undecided": found[Verdict.UNDECIDED],
    }


def by_recipe(scenario: Scenario, clean: Sequence[Outcome]) -> dict[str, Row]:
    """For each recipe, how often its clean models are rejected, and how accurate they are."""
    rows = {}
    for recipe in settings(scenario).recipes:
        models = [outcome for outcome in clean if outcome.trial.recipe == recipe]
        accuracies = _accuracies(models)
        rows[recipe] = {
            **alarms(models),
            "accuracy": mean(accuracies),
            "lowest_accuracy": min((each for each in accuracies if each), default=None),
        }
    return rows


def _accuracies(outcomes: Iterable[Outcome]) -> list[float | None]:
    """Each model's accuracy in [0, 1], as the audit that compares accuracies measured it."""
    accuracies = []
    for outcome in outcomes:
        for finding in outcome.findings:
            if finding.role == ACCURACY:
                accuracies.append(finding.judgement.control)
    return accuracies


def by_audit(
    outcomes: Sequence[Outcome],
    clean: Sequence[Outcome],
    local: Sequence[Outcome],
    image_wide: Sequence[Outcome],
) -> dict[str, Row]:
    """For each audit of `outcomes`, how many models it speaks against: it is VIOLATED for them.

    A clean model counts with any of its decoys, a decoy model with its own decoy.
    """
    rows = {}
    for audit in _audits(outcomes):
        rows[audit] = {
            **_on_clean(audit, clean),
            "local": _against(audit, local),
            "image_wide": _against(audit, image_wide),
        }
    return rows


def _on_clean(audit: str, clean: Iterable[Outcome]) -> Row:
    found: list[Finding] = []
    models: Counter[Verdict] = Counter()
    for outcome in clean:
        findings = _of(audit, outcome)
        if findings:
            found += findings
            models[_worst(findings)] += 1
    return {
        "blocking": any(finding.blocking for finding in found),
        "clean": models.total(),
        "clean_effect": percentiles(finding.judgement.estimate.value for finding in found),
        "clean_violated": models[Verdict.VIOLATED],
        "clean_undecided": models[Verdict.UNDECIDED],
    }


def _against(audit: str, outcomes: Iterable[Outcome]) -> dict[str, list[int]]:
    """Coverage -> how many models the audit speaks against for their own decoy, of how many."""
    counts: dict[str, list[int]] = {}
    for outcome in sorted(outcomes, key=_largest_coverage_first):
        about_own = (None, own(outcome))
        findings = [finding for finding in _of(audit, outcome) if finding.decoy in about_own]
        pair = counts.setdefault(str(outcome.trial.job.coverage), [0, 0])
        pair[0] += has_verdict(findings, Verdict.VIOLATED)
        pair[1] += bool(findings)
    return counts


def _largest_coverage_first(outcome: Outcome) -> float:
    return -outcome.trial.job.coverage


def _worst(findings: Sequence[Finding]) -> Verdict:
    for verdict in (Verdict.VIOLATED, Verdict.UNDECIDED):
        if has_verdict(findings, verdict):
            return verdict
    return Verdict.HOLDS


def _of(audit: str, outcome: Outcome) -> list[Finding]:
    return [finding for finding in outcome.findings if finding.audit == audit and finding.applies]


def _audits(outcomes: Iterable[Outcome]) -> list[str]:
    """The names of all audits that were run, in the order in which they first appear."""
    names: dict[str, None] = {}
    for outcome in outcomes:
        for finding in outcome.findings:
            names[finding.audit] = None
    return list(names)
