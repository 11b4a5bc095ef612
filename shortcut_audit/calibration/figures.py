"""Outcomes -> everything that the page says of one population.

A false alarm is a model that is clean by behaviour and rejected, for whatever reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shortcut_audit.calibration.behaviour import Behaviour
from shortcut_audit.calibration.breakdowns import (
    by_audit,
    by_behaviour,
    by_family,
    by_half,
    by_recipe,
)
from shortcut_audit.calibration.outcomes import (
    Row,
    described,
    found,
    harmless,
    innocent,
    is_confusable,
    labelled,
    own,
    rejected,
    score,
    undecided,
)
from shortcut_audit.calibration.population import is_image_wide, settings
from shortcut_audit.calibration.rates import alarms, auroc, by_coverage, found_among, once, rounds
from shortcut_audit.calibration.trials import Outcome
from shortcut_audit.records import Decision
from shortcut_audit.scenario import Scenario


@dataclass(frozen=True)
class Groups:
    """The outcomes, sorted by what their models were trained with."""

    clean: list[Outcome] = field(default_factory=list)  # trained without a decoy, every round
    first: list[Outcome] = field(default_factory=list)  # of these, the first round
    confusable: list[Outcome] = field(default_factory=list)
    decoys: list[Outcome] = field(default_factory=list)  # trained with a decoy, not confusable
    local: list[Outcome] = field(default_factory=list)  # of these, the decoy has a place
    image_wide: list[Outcome] = field(default_factory=list)  # the decoy changes the whole picture


def figures(scenario: Scenario, outcomes: Sequence[Outcome], planned: int) -> Row:
    """Everything that the page says, as JSON values.

    `planned` is the number of trials, finished or not.
    """
    groups = _grouped(scenario, outcomes)
    return {
        **_alarms(scenario, groups),
        **_power(groups),
        "tests_by_behaviour": by_behaviour(groups.clean),
        "by_family": by_family(scenario, groups.decoys, groups.clean),
        "by_half": by_half(scenario, groups.local, groups.clean),
        "by_recipe": by_recipe(scenario, groups.first),
        "by_audit": by_audit(outcomes, groups.first, groups.local, groups.image_wide),
        **_exceptions(groups, outcomes),
        **_separation(groups),
        **_setting(scenario),
        "finished": len(outcomes),
        "planned": planned,
        "date": datetime.now(UTC).date().isoformat(),
    }


def _grouped(scenario: Scenario, outcomes: Sequence[Outcome]) -> Groups:
    groups = Groups()
    for outcome in outcomes:
        if outcome.trial.job.decoy is None:
            groups.clean.append(outcome)
            if outcome.trial.round == 0:
                groups.first.append(outcome)
        elif is_confusable(outcome):
            groups.confusable.append(outcome)
        else:
            groups.decoys.append(outcome)
            kind = groups.image_wide if is_image_wide(scenario, own(outcome)) else groups.local
            kind.append(outcome)
    return groups


def _alarms(scenario: Scenario, groups: Groups) -> Row:
    """How often clean models are rejected or left undecided, by each way of counting."""
    innocents = labelled(groups.clean, Behaviour.CLEAN)
    counted = once(innocents)
    harming_nothing = [outcome for outcome in innocents if harmless(outcome, scenario)]
    return {
        **alarms(counted),
        "as_trained": alarms(groups.first),
        "clean_by_behaviour": alarms(labelled(groups.first, Behaviour.CLEAN)),
        "clean_with_every_class": alarms(once(harming_nothing)),
        "all_rounds": rounds(groups.clean),
        "all_rounds_clean_by_behaviour": rounds(innocents),
        "undecided_though_clean": described(outcome for outcome in counted if undecided(outcome)),
    }


def _power(groups: Groups) -> Row:
    """How many of the decoy models are found: by coverage, and by behaviour."""
    power = by_coverage(groups.local)
    by_label = {}
    for label in Behaviour:
        by_label[label.value] = found_among(labelled(groups.decoys, label))
    return {
        "power": {coverage: row["share"] for coverage, row in power.items()},
        "power_counts": power,
        "power_image_wide": by_coverage(groups.image_wide),
        "power_by_behaviour": by_label,
    }


def _exceptions(groups: Groups, outcomes: Sequence[Outcome]) -> Row:
    """The models that the page names one by one: the confusable ones and the wrong decisions."""
    promoted = [outcome for outcome in outcomes if outcome.decision is Decision.PROMOTE]
    learned = labelled(groups.decoys, Behaviour.DECOY)
    return {
        "confusable": described(groups.confusable),
        "rejected_clean": described(outcome for outcome in groups.clean if rejected(outcome)),
        "promoted_though_not_clean": described(
            outcome for outcome in promoted if not innocent(outcome)
        ),
        "missed": described(outcome for outcome in learned if not found(outcome)),
    }


def _separation(groups: Groups) -> Row:
    """How well the largest effect separates decoy models from clean ones (AUROC)."""
    clean = _scores(groups.first)
    first_and_decoys = [*groups.first, *groups.decoys]
    return {
        "auroc": auroc(_scores(groups.decoys), clean),
        "auroc_local": auroc(_scores(groups.local), clean),
        "auroc_by_behaviour": auroc(
            _scores(labelled(first_and_decoys, Behaviour.DECOY)),
            _scores(labelled(first_and_decoys, Behaviour.CLEAN)),
        ),
    }


def _scores(outcomes: Sequence[Outcome]) -> list[float]:
    return [score(outcome) for outcome in outcomes]


def _setting(scenario: Scenario) -> Row:
    """What the page says of the scenario."""
    drawn = scenario.dataset.get("kind") == "demo"
    fresh = [f"{key}: {value}" for key, value in settings(scenario).fresh.items()]
    return {
        "references": settings(scenario).references,
        "innocent": scenario.limits.innocent,
        "pictures": "the demo's drawings" if drawn else "photographs",
        "fresh": ", ".join(fresh),
    }
