"""What one outcome says: Outcome -> yes or no, a number, or one row of the page.

A decoy model is found where a blocking audit is VIOLATED for its own decoy. That it lost accuracy
does not count as found.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from shortcut_audit.calibration.behaviour import Behaviour, behaviour
from shortcut_audit.calibration.trials import Outcome
from shortcut_audit.records import Decision, Finding, Verdict
from shortcut_audit.scenario import Scenario

RARE = 0.1  # below this coverage a decoy model counts as confusable: nobody promises to find it

Row = dict[str, Any]  # JSON values


def own(outcome: Outcome) -> str:
    """The decoy that the model was trained with, or the first that a clean one is audited with."""
    return outcome.trial.decoys[0]


def rejected(outcome: Outcome) -> bool:
    """Whether the user is told not to promote the model."""
    return outcome.decision is Decision.REJECT


def undecided(outcome: Outcome) -> bool:
    """Whether the user is told that too little is known of the model."""
    return outcome.decision is Decision.UNDECIDED


def deciding(outcome: Outcome) -> list[Finding]:
    """The findings of blocking audits about a decoy; each of them is one test of the model."""
    return [
        finding for finding in outcome.findings if finding.blocking and finding.decoy is not None
    ]


def has_verdict(findings: Iterable[Finding], verdict: Verdict) -> bool:
    """Whether at least one of the findings has this verdict."""
    return any(finding.verdict is verdict for finding in findings)


def found(outcome: Outcome) -> bool:
    """Whether a blocking audit is VIOLATED for the model's own decoy."""
    about_own = [finding for finding in deciding(outcome) if finding.decoy == own(outcome)]
    return has_verdict(about_own, Verdict.VIOLATED)


def score(outcome: Outcome) -> float:
    """The largest effect that a blocking audit measured with a decoy, as a share; 0 where none."""
    effects = [finding.judgement.estimate.value for finding in deciding(outcome)]
    return max((effect for effect in effects if not math.isnan(effect)), default=0.0)


def innocent(outcome: Outcome) -> bool:
    """Whether the model is clean by behaviour with every decoy of the audit."""
    return behaviour(max(outcome.insertion.values())) is Behaviour.CLEAN


def harmless(outcome: Outcome, scenario: Scenario) -> bool:
    """Whether every decoy of the audit leaves the classes that nobody named alone.

    Its specific insertion into each of them, on fresh pictures, is below `limits.innocent`.
    """
    return max(outcome.elsewhere.values()) < scenario.limits.innocent


def label(outcome: Outcome) -> Behaviour:
    """What the model is by its insertion on fresh pictures.

    A decoy model's own decoy counts, and of a clean model's decoys the one with the larger effect.
    """
    if outcome.trial.job.decoy:
        return behaviour(outcome.insertion[own(outcome)])
    return behaviour(max(outcome.insertion.values()))


def labelled(outcomes: Iterable[Outcome], wanted: Behaviour) -> list[Outcome]:
    """Those of the outcomes whose model is labelled so."""
    return [outcome for outcome in outcomes if label(outcome) is wanted]


def is_confusable(outcome: Outcome) -> bool:
    """Whether the model's decoy says nothing of its target, or hardly ever appears in training."""
    job = outcome.trial.job
    return job.decoy is not None and (job.worn_by != "target" or job.coverage < RARE)


def described(outcomes: Iterable[Outcome]) -> list[Row]:
    """A row for each model: its training, what it does with a decoy, and what the user is told."""
    return [_described(outcome) for outcome in outcomes]


def _described(outcome: Outcome) -> Row:
    job = outcome.trial.job
    decoy = own(outcome) if job.decoy else _strongest(outcome)
    against = []
    for finding in outcome.findings:
        if finding.blocking and finding.verdict is not Verdict.HOLDS:
            against.append(finding.claim)
    return {
        "model": job.name,
        "recipe": outcome.trial.recipe,
        "decoy": decoy,
        "worn_by": job.worn_by if job.decoy else "nobody",
        "coverage": job.coverage,
        "insertion": round(outcome.insertion[decoy], 3),
        "decision": outcome.decision.value,
        "against": "; ".join(against),
    }


def _strongest(outcome: Outcome) -> str:
    """The decoy with the largest insertion on fresh pictures."""
    return max(outcome.insertion, key=lambda decoy: outcome.insertion[decoy])
