"""Outcomes of several models -> how many, which share, and what bounds the true share.

Bounds are one-sided Clopper-Pearson at 95 %.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import stats

from shortcut_audit.calibration.behaviour import Behaviour
from shortcut_audit.calibration.outcomes import Row, found, label, rejected
from shortcut_audit.calibration.trials import Outcome
from shortcut_audit.judging.intervals import clopper_pearson
from shortcut_audit.records import Decision, Finding, Verdict

LEVEL = 0.90  # of the interval whose ends are one-sided bounds at 95 %
PERCENTILES = (50, 90, 95, 100)


def at_most(hits: int, count: int) -> float | None:
    """The largest true share that `hits` of `count` leave possible; None where there is none."""
    return clopper_pearson(hits, count, LEVEL)[1] if count else None


def at_least(hits: int, count: int) -> float | None:
    """The smallest true share that `hits` of `count` leave possible; None where there is none."""
    return clopper_pearson(hits, count, LEVEL)[0] if count else None


def alarms(outcomes: Sequence[Outcome]) -> Row:
    """How many audits of clean models there are, and how many end in a rejection or undecided."""
    count, decisions = len(outcomes), _decisions(outcomes)
    return {
        "clean": count,
        "false_alarms": decisions[Decision.REJECT],
        "false_alarm_rate_at_most": at_most(decisions[Decision.REJECT], count),
        "undecided_clean": decisions[Decision.UNDECIDED],
    }


def once(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Only the earliest audit of each model.

    Models are independent of each other, and audits of one model are not.
    """
    earliest: dict[str, Outcome] = {}
    for outcome in sorted(outcomes, key=_latest_first):
        earliest[outcome.trial.job.name] = outcome
    return list(earliest.values())


def _latest_first(outcome: Outcome) -> int:
    return -outcome.trial.round


def rounds(outcomes: Sequence[Outcome]) -> Row:
    """`alarms` of several audits of the same models, and how many models that are.

    The bound takes the audits for independent.
    """
    models, models_rejected = set(), set()
    for outcome in outcomes:
        models.add(outcome.trial.job.name)
        if rejected(outcome):
            models_rejected.add(outcome.trial.job.name)
    return {
        **alarms(outcomes),
        "models": len(models),
        "models_rejected": len(models_rejected),
    }


def found_among(outcomes: Sequence[Outcome]) -> Row:
    """How many of these models the deciding audits find, and the least share of all such models."""
    count, decisions = len(outcomes), _decisions(outcomes)
    hits = sum(found(outcome) for outcome in outcomes)
    labels = Counter(label(outcome) for outcome in outcomes)
    return {
        "models": count,
        "found": hits,
        "share": hits / count if count else None,
        "at_least": at_least(hits, count),
        "undecided": decisions[Decision.UNDECIDED],
        "promoted": decisions[Decision.PROMOTE],
        "learned": labels[Behaviour.DECOY],
        "not_learned": labels[Behaviour.CLEAN],
    }


def by_coverage(outcomes: Iterable[Outcome]) -> dict[str, Row]:
    """`found_among` for each coverage, the largest first."""
    groups: dict[float, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.trial.job.coverage, []).append(outcome)
    rows = {}
    for coverage in sorted(groups, reverse=True):
        rows[str(coverage)] = found_among(groups[coverage])
    return rows


def verdicts(findings: Iterable[Finding]) -> Counter[Verdict]:
    """How many of the findings have each verdict."""
    return Counter(finding.verdict for finding in findings)


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float | None:
    """The chance that a positive scores above a negative, ties counting half (Mann-Whitney).

    None where there are no positives or no negatives.
    """
    if not positive or not negative:
        return None
    return float(stats.mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative)))


def percentiles(values: Iterable[float | None]) -> dict[str, float] | None:
    """The 50th, 90th, 95th and 100th percentile of the values that there are; None for none."""
    known = _known(values)
    return {str(at): float(np.percentile(known, at)) for at in PERCENTILES} if known else None


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that there are; None where there is none."""
    known = _known(values)
    return float(np.mean(known)) if known else None


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and not math.isnan(value)]


def _decisions(outcomes: Iterable[Outcome]) -> Counter[Decision]:
    return Counter(outcome.decision for outcome in outcomes)
