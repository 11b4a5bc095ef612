"""What a run is told, and scenario + candidates -> its cases. Imports no torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations, product
from pathlib import Path
from typing import Any

from shortcut_audit.errors import MachineError, ModelError, ShortcutAuditError
from shortcut_audit.harness.course.shards import Shard
from shortcut_audit.harness.kinds import CASE, OF_A_DECOY, OF_AN_ATTRIBUTE, not_asked_for
from shortcut_audit.promotion import blocks
from shortcut_audit.records import Candidate, Case, Finding, Verdict
from shortcut_audit.scenario import Scenario
from shortcut_audit.waivers import refuse_expired, refuse_unknown, today

LOCAL = "local"  # the engine that is no more than the process that asks


@dataclass(frozen=True)
class Settings:
    """What a run is told beside its models, its scenario and where its reports go."""

    data: Path | None = None  # where the data set's relative paths start; None: at the scenario
    device: str = "auto"
    trust_code: bool = False  # whether an architecture may be a factory of the user's own
    worker: int = 0  # which of xdist's workers this process is
    workers: int = 1
    handed: Mapping[str, str] | None = None  # what the process that began the run has read
    store: str = ""  # where evidence is kept; "": in the folder of the reports
    engine: str = LOCAL  # who computes it
    scenario_word: str = "--scenario"  # how the option is called here
    command: str = ""  # how the run was called
    reporting: Mapping[str, Any] = field(default_factory=dict)  # options of the reporters
    shard: Shard | None = None  # which part of the run this is; None: all of it


def plan(
    wanted: Collection[str], candidates: Sequence[Candidate], scenario: Scenario
) -> list[Case]:
    """The cases of an audit that asks for these fixtures: models or pairs, times decoys.

    References come first. Where the manifest names references a pair is a reference and another
    model; else it is any two models. Empty where no case fits: `without_a_case` says why.
    """
    if not_asked_for(wanted, scenario):
        return []
    ordered = sorted(candidates, key=lambda candidate: not candidate.reference)
    groups: list[tuple[str, ...]] = [(candidate.name,) for candidate in ordered]
    if "pair" in wanted:
        readable = [candidate for candidate in ordered if not candidate.problem]
        any_reference = any(candidate.reference for candidate in readable)
        pairs = [(one, two) for one, two in combinations(readable, 2) if comparable(one, two)]
        groups = [(one.name, two.name) for one, two in pairs if one.reference or not any_reference]
    decoys: list[str | None] = [None]
    if OF_AN_ATTRIBUTE & set(wanted):
        decoys = list(scenario.attributes)
    elif OF_A_DECOY & set(wanted):
        decoys = list(scenario.decoys)
    return [Case(group, decoy) for group, decoy in product(groups, decoys)]


def refuse_stale_waivers(
    scenario: Scenario, candidates: Sequence[Candidate], whole: bool, now: date | None = None
) -> None:
    """Refuses waivers that cannot be meant, before anything is audited.

    Args:
        scenario: whose waivers they are.
        candidates: the models of the run.
        whole: whether these are all that there are, and not one that was selected: then each waiver
            must be about one of them.
        now: the day; None is today, in UTC.

    Raises:
        UsageError: one has expired, or is about no model, or about a pair that is not compared.
    """
    refuse_expired(scenario.waivers, now or today())
    if whole and scenario.waivers:
        pairs = [case.models for case in plan({"pair"}, candidates, scenario)]
        refuse_unknown(scenario.waivers, candidates, pairs)


def comparable(one: Candidate, two: Candidate) -> bool:
    """Whether two models can be asked about the same pictures: they take them at one size."""
    return one.size == two.size


def without_a_case(
    audit: str, wanted: Collection[str], candidates: Sequence[Candidate], scenario: Scenario
) -> str:
    """Why an audit that asks for these fixtures has no case, as one sentence."""
    if line := not_asked_for(wanted, scenario):
        return f"{audit} is off: add '{line}' to the scenario"
    if OF_A_DECOY & set(wanted) and not scenario.decoys:
        return f"{audit} asks about a decoy, and the scenario names none: add one to 'decoys'"
    if len(candidates) == 1:
        return (
            f"{audit} compares models, and one model alone has no pair to compare: "
            "audit it with another"
        )
    readable = [candidate for candidate in candidates if not candidate.problem]
    if len(readable) < 2:
        found = "only one of them" if readable else "none of them"
        return (
            f"{audit} compares models, and {found} can be read, so that there is no pair to compare"
        )
    return (
        f"{audit} compares models, and no two of these take pictures of one size: "
        f"{_sizes(readable)}"
    )


def not_compared(candidates: Sequence[Candidate]) -> str:
    """The note that says which models no audit of pairs puts side by side; empty where all are."""
    readable = [candidate for candidate in candidates if not candidate.problem]
    if len({candidate.size for candidate in readable}) < 2:
        return ""
    return (
        "models that take pictures of different sizes are not compared with each other: "
        f"{_sizes(readable)}"
    )


def _sizes(candidates: Sequence[Candidate]) -> str:
    return ", ".join(f"{candidate.name} {candidate.size} px" for candidate in candidates)


def not_measured(
    scenario: Scenario, case: Case, audit: str, error: BaseException | None
) -> Finding:
    """The finding of a case where nothing could be measured.

    A checkpoint at fault is VIOLATED, so that its model is rejected; anything else leaves it
    UNDECIDED.
    """
    text = (
        str(error)
        if isinstance(error, ShortcutAuditError)
        else f"{case.id}: {audit} broke: {error!r}"
    )
    verdict = Verdict.VIOLATED if isinstance(error, ModelError) else Verdict.UNDECIDED
    return Finding(
        audit, case.models, case.decoy, verdict, blocks(scenario, audit), claim=text, error=True
    )


def killed(scenario: Scenario, candidates: Sequence[Candidate], nodeid: str) -> Finding | None:
    """The finding of a test whose process was killed; None where the test is no audit's.

    nodeid: with models and decoys as they are called. Whoever reads it has not collected the test.
    """
    test, _, text = nodeid.removesuffix("]").partition("[")
    cases: list[Case] = []
    for wanted in ({"subject"}, {"predictions"}, {"pair"}, {"pair", "predictions"}, {"natural"}):
        cases += plan(wanted, candidates, scenario)
    fitting = [case for case in cases if f"-{case.id}-" in f"-{text}-"]
    if not fitting:
        return None
    case = max(fitting, key=lambda each: len(each.id))
    audit = audit_name(test.rpartition("::")[2], {})
    error = MachineError(
        f"{case.id}: the process that ran {audit} was killed, for want of memory or by a crash: "
        "run it again, with fewer workers (-n)"
    )
    return not_measured(scenario, case, audit, error)


def audit_name(function: str, params: Mapping[str, Any]) -> str:
    """`test_influence_precision` with k = 50 -> `influence_precision@50`."""
    rest = [str(value) for name, value in params.items() if name != CASE]
    return "@".join([function.removeprefix("test_"), *rest])
