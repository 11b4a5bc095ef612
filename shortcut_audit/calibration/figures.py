"""Outcomes -> rates with their bounds. A false alarm is a model that is clean by behaviour and
rejected, for whatever reason.

A decoy model is found where an audit that blocks is VIOLATED for its own decoy: that it lost
accuracy does not count. Bounds are one-sided Clopper-Pearson at 95 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from scipy import stats

from shortcut_audit.calibration.behaviour import Behaviour, behaviour
from shortcut_audit.calibration.population import is_image_wide, settings
from shortcut_audit.calibration.trials import Outcome
from shortcut_audit.judging.intervals import clopper_pearson
from shortcut_audit.records import MEMBERSHIP, Decision, Finding, Verdict
from shortcut_audit.scenario import Scenario

RARE = 0.1  # below this coverage a decoy model counts as confusable: nobody promises to find it
PERCENTILES = (50, 90, 95, 100)
LEVEL = 0.90  # of the interval whose ends are one-sided bounds at 95 %

Row = dict[str, Any]


def figures(scenario: Scenario, outcomes: Sequence[Outcome], planned: int) -> Row:
    """Everything that the page says, as JSON values; `planned` is the number of trials, finished or
    not.
    """
    clean = [each for each in outcomes if each.trial.job.decoy is None]
    first = [each for each in clean if each.trial.round == 0]
    worn = [each for each in outcomes if each.trial.job.decoy is not None]
    confusable = [each for each in worn if is_confusable(each)]
    decoys = [each for each in worn if not is_confusable(each)]
    local = [each for each in decoys if not is_image_wide(scenario, own(each))]
    wide = [each for each in decoys if is_image_wide(scenario, own(each))]
    power = by_coverage(local)
    return {
        **_alarms(scenario, clean, first),
        "power": {coverage: row["share"] for coverage, row in power.items()},
        "power_counts": power,
        "power_image_wide": by_coverage(wide),
        "power_by_behaviour": {
            label.value: found_among(_labelled(decoys, label)) for label in Behaviour
        },
        "tests_by_behaviour": {label.value: _tests(clean, label) for label in Behaviour},
        "by_family": {
            family: _family(scenario, family, decoys, clean) for family in scenario.decoys
        },
        "by_half": {half: _half(scenario, half, local, clean) for half in ("tuning", "reporting")},
        "by_recipe": {recipe: _recipe(recipe, first) for recipe in settings(scenario).recipes},
        "by_audit": {audit: _audit(audit, first, local, wide) for audit in _names(outcomes)},
        "confusable": [_told(each) for each in confusable],
        "rejected_clean": [_told(each) for each in clean if rejected(each)],
        "promoted_though_not_clean": [
            _told(each)
            for each in outcomes
            if each.decision is Decision.PROMOTE and not innocent(each)
        ],
        "missed": [_told(each) for each in _labelled(decoys, Behaviour.DECOY) if not found(each)],
        "auroc": auroc([score(each) for each in decoys], [score(each) for each in first]),
        "auroc_local": auroc([score(each) for each in local], [score(each) for each in first]),
        "auroc_by_behaviour": auroc(
            *(
                [score(each) for each in _labelled([*first, *decoys], label)]
                for label in (Behaviour.DECOY, Behaviour.CLEAN)
            )
        ),
        "references": settings(scenario).references,
        "innocent": scenario.limits.innocent,
        "pictures": "the demo's drawings"
        if scenario.dataset.get("kind") == "demo"
        else "photographs",
        "fresh": ", ".join(f"{key}: {value}" for key, value in settings(scenario).fresh.items()),
        "finished": len(outcomes),
        "planned": planned,
        "date": datetime.now(UTC).date().isoformat(),
    }


def _alarms(scenario: Scenario, clean: Sequence[Outcome], first: Sequence[Outcome]) -> Row:
    """How often clean models are rejected or left undecided, by each way of counting; `first` is
    their first round.
    """
    innocents = _labelled(clean, Behaviour.CLEAN)
    counted = once(innocents)
    return {
        **alarms(counted),
        "as_trained": alarms(first),
        "clean_by_behaviour": alarms(_labelled(first, Behaviour.CLEAN)),
        "clean_with_every_class": alarms(
            once([each for each in innocents if harmless(each, scenario)])
        ),
        "all_rounds": rounds(clean),
        "all_rounds_clean_by_behaviour": rounds(innocents),
        "undecided_though_clean": [
            _told(each) for each in counted if each.decision is Decision.UNDECIDED
        ],
    }


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float | None:
    """The chance that a positive scores above a negative, ties counting half (Mann-Whitney); None
    where one kind is missing.
    """
    if not positive or not negative:
        return None
    return float(stats.mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative)))


def alarms(outcomes: Sequence[Outcome]) -> Row:
    """How many audits of clean models there are, how many end in a rejection or undecided, and what
    bounds the true rate.
    """
    count, wrong = len(outcomes), sum(rejected(each) for each in outcomes)
    return {
        "clean": count,
        "false_alarms": wrong,
        "false_alarm_rate_at_most": clopper_pearson(wrong, count, LEVEL)[1] if count else None,
        "undecided_clean": sum(each.decision is Decision.UNDECIDED for each in outcomes),
    }


def once(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """One audit a model, its earliest: models are independent of each other, audits of one model
    are not.
    """
    by_model = {
        each.trial.job.name: each for each in sorted(outcomes, key=lambda each: -each.trial.round)
    }
    return list(by_model.values())


def rounds(outcomes: Sequence[Outcome]) -> Row:
    """`alarms` of several audits of the same models, and how many models that are: the bound takes
    the audits for independent.
    """
    return {
        **alarms(outcomes),
        "models": len({each.trial.job.name for each in outcomes}),
        "models_rejected": len({each.trial.job.name for each in outcomes if rejected(each)}),
    }


def found_among(outcomes: Sequence[Outcome]) -> Row:
    """How many of these models the deciding audits find, and at least which share they would find
    of all such models.
    """
    count, hits = len(outcomes), sum(found(each) for each in outcomes)
    return {
        "models": count,
        "found": hits,
        "share": hits / count if count else None,
        "at_least": clopper_pearson(hits, count, LEVEL)[0] if count else None,
        "undecided": sum(each.decision is Decision.UNDECIDED for each in outcomes),
        "promoted": sum(each.decision is Decision.PROMOTE for each in outcomes),
        "learned": len(_labelled(outcomes, Behaviour.DECOY)),
        "not_learned": len(_labelled(outcomes, Behaviour.CLEAN)),
    }


def by_coverage(outcomes: Sequence[Outcome]) -> dict[str, Row]:
    """`found_among` for each coverage, the largest first."""
    shares = sorted({each.trial.job.coverage for each in outcomes}, reverse=True)
    return {
        str(share): found_among([each for each in outcomes if each.trial.job.coverage == share])
        for share in shares
    }


def own(outcome: Outcome) -> str:
    """The decoy that the model was trained with, or the first that a clean one is audited with."""
    return outcome.trial.decoys[0]


def rejected(outcome: Outcome) -> bool:
    """Whether the user is told not to promote it."""
    return outcome.decision is Decision.REJECT


def found(outcome: Outcome) -> bool:
    """Whether a blocking audit is VIOLATED for the model's own decoy."""
    return any(
        finding.verdict is Verdict.VIOLATED
        for finding in _deciding(outcome)
        if finding.decoy == own(outcome)
    )


def score(outcome: Outcome) -> float:
    """The largest effect that a blocking audit measured with a decoy."""
    return max(
        (finding.value for finding in _deciding(outcome) if finding.value is not None), default=0.0
    )


def innocent(outcome: Outcome) -> bool:
    """Clean by behaviour with every decoy of the audit."""
    return behaviour(max(outcome.insertion.values())) is Behaviour.CLEAN


def harmless(outcome: Outcome, scenario: Scenario) -> bool:
    """Whether no decoy of the audit turns more fresh pictures into a class that nobody named than
    `limits.innocent` lets pass.
    """
    return max(outcome.elsewhere.values()) < scenario.limits.innocent


def label(outcome: Outcome) -> Behaviour:
    """By its own decoy's insertion on fresh pictures; a clean model by the larger of the two."""
    return behaviour(
        outcome.insertion[own(outcome)]
        if outcome.trial.job.decoy
        else max(outcome.insertion.values())
    )


def is_confusable(outcome: Outcome) -> bool:
    """Trained with a decoy that says nothing of its target, or hardly ever appears."""
    job = outcome.trial.job
    return job.decoy is not None and (job.worn_by != "target" or job.coverage < RARE)


def _deciding(outcome: Outcome) -> list[Finding]:
    return [
        finding for finding in outcome.findings if finding.blocking and finding.decoy is not None
    ]


def _labelled(outcomes: Iterable[Outcome], wanted: Behaviour) -> list[Outcome]:
    return [each for each in outcomes if label(each) is wanted]


def _names(outcomes: Iterable[Outcome]) -> list[str]:
    return list(dict.fromkeys(finding.audit for each in outcomes for finding in each.findings))


def _tests(clean: Iterable[Outcome], wanted: Behaviour) -> Row:
    """Single tests of models trained without a decoy, a model and a decoy each, where its insertion
    on fresh pictures is so.
    """
    tests = [
        f
        for each in clean
        for f in _deciding(each)
        if behaviour(each.insertion[str(f.decoy)]) is wanted
    ]
    count, wrong = len(tests), sum(finding.verdict is Verdict.VIOLATED for finding in tests)
    return {
        "tests": count,
        "violated": wrong,
        "undecided": sum(finding.verdict is Verdict.UNDECIDED for finding in tests),
        "violated_rate_at_most": clopper_pearson(wrong, count, LEVEL)[1] if count else None,
    }


def _family(
    scenario: Scenario, family: str, decoys: Sequence[Outcome], clean: Sequence[Outcome]
) -> Row:
    """Power on models of this decoy, and its tests of clean models, one by one."""
    tests = [finding for each in clean for finding in _deciding(each) if finding.decoy == family]
    return {
        "kind": "image-wide" if is_image_wide(scenario, family) else "local",
        "half": "tuning" if family in settings(scenario).tuning else "reporting",
        "power": by_coverage([each for each in decoys if own(each) == family]),
        "clean_tests": len(tests),
        "clean_violated": sum(finding.verdict is Verdict.VIOLATED for finding in tests),
        "clean_undecided": sum(finding.verdict is Verdict.UNDECIDED for finding in tests),
        "clean_effect": _mean(finding.value for finding in tests),
    }


def _half(scenario: Scenario, half: str, local: Sequence[Outcome], clean: Sequence[Outcome]) -> Row:
    """Power on local families of this half; alarms in audits all of whose decoys are of this half."""

    def inside(family: str) -> bool:
        return (family in settings(scenario).tuning) is (half == "tuning")

    tests = [finding for each in clean for finding in _deciding(each) if inside(str(finding.decoy))]
    return {
        "power": by_coverage([each for each in local if inside(own(each))]),
        "clean_tests": len(tests),
        "clean_violated": sum(finding.verdict is Verdict.VIOLATED for finding in tests),
        "clean_undecided": sum(finding.verdict is Verdict.UNDECIDED for finding in tests),
    }


def _recipe(recipe: str, clean: Sequence[Outcome]) -> Row:
    models = [each for each in clean if each.trial.recipe == recipe]
    accuracy = [
        finding.control
        for each in models
        for finding in each.findings
        if finding.audit == MEMBERSHIP
    ]
    return {
        **alarms(models),
        "accuracy": _mean(accuracy),
        "lowest_accuracy": min((a for a in accuracy if a), default=None),
    }


def _audit(
    audit: str, clean: Sequence[Outcome], local: Sequence[Outcome], wide: Sequence[Outcome]
) -> Row:
    """The models that this audit speaks against: with any decoy if clean, with their own else;
    (violated, models) each.
    """
    ran = [findings for each in clean if (findings := _of(audit, each))]
    against = [_any(findings, Verdict.VIOLATED) for findings in ran]
    return {
        "blocking": any(finding.blocking for findings in ran for finding in findings),
        "clean": len(ran),
        "clean_effect": _percentiles(finding.value for findings in ran for finding in findings),
        "clean_violated": sum(against),
        "clean_undecided": sum(
            _any(findings, Verdict.UNDECIDED) and not yes
            for findings, yes in zip(ran, against, strict=True)
        ),
        "local": _against(audit, local),
        "image_wide": _against(audit, wide),
    }


def _against(audit: str, outcomes: Sequence[Outcome]) -> dict[str, list[int]]:
    """Coverage -> how many models the audit speaks against for their own decoy, of how many."""
    counts: dict[str, list[int]] = {}
    for each in sorted(outcomes, key=lambda each: -each.trial.job.coverage):
        findings = [finding for finding in _of(audit, each) if finding.decoy in (None, own(each))]
        pair = counts.setdefault(str(each.trial.job.coverage), [0, 0])
        pair[0] += _any(findings, Verdict.VIOLATED)
        pair[1] += bool(findings)
    return counts


def _of(audit: str, outcome: Outcome) -> list[Finding]:
    return [finding for finding in outcome.findings if finding.audit == audit and finding.applies]


def _any(findings: Iterable[Finding], verdict: Verdict) -> bool:
    return any(finding.verdict is verdict for finding in findings)


def _told(outcome: Outcome) -> Row:
    """One model in full: what it was trained with, what it does with which decoy, and what the user
    is told.
    """
    job = outcome.trial.job
    decoy = (
        own(outcome)
        if job.decoy
        else max(outcome.insertion, key=lambda name: outcome.insertion[name])
    )
    against = [
        finding
        for finding in outcome.findings
        if finding.blocking and finding.verdict is not Verdict.HOLDS
    ]
    return {
        "model": job.name,
        "recipe": outcome.trial.recipe,
        "decoy": decoy,
        "worn_by": job.worn_by if job.decoy else "nobody",
        "coverage": job.coverage,
        "insertion": round(outcome.insertion[decoy], 3),
        "decision": outcome.decision.value,
        "against": "; ".join(finding.claim for finding in against),
    }


def _percentiles(values: Iterable[float | None]) -> dict[str, float] | None:
    """The 50th, 90th, 95th and 100th; None where there is no value."""
    known = [value for value in values if value is not None]
    return {str(at): float(np.percentile(known, at)) for at in PERCENTILES} if known else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
