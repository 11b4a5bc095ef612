"""What audit functions hand over, for any case, and what it is compared with. Each is called once.

An audit function only measures. So the same question can be put to the reference models (what does
clean training give?), and to the same model with another decoy, another class or a stronger decoy,
by calling the same function with their evidence.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from shortcut_audit.errors import ModelError, UsageError
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.harness.abilities import Abilities
from shortcut_audit.harness.audit import Audit, Measurement
from shortcut_audit.harness.kinds import KINDS
from shortcut_audit.harness.plan import comparable
from shortcut_audit.judging import Comparison, sound_references
from shortcut_audit.judging.competence import SURE
from shortcut_audit.records import Case
from shortcut_audit.subjects.manifest.references import references_for


@dataclass(frozen=True)
class Check:
    """One `audit.check` of an audit function: the same question, whichever case it is put to."""

    function: Callable[..., Any]
    given: Mapping[str, Any]  # the function's arguments that do not depend on the case
    audit: str
    at: int  # its place among the function's checks, from 0


class Measurements:
    """The numbers of a run, each measured when it is first asked for.

    turn: a share in [0, 1), another one for each process of a run: other models are asked in an
        order turned by so much, so that processes do not wait for the evidence of the same one. No
        figure depends on it.
    """

    def __init__(self, evidence: Evidence, abilities: Abilities, turn: float = 0.0) -> None:
        self.evidence, self.abilities, self.turn = evidence, abilities, turn
        self._audits: dict[tuple[Any, ...], Audit] = {}

    def resolved(self, case: Case) -> Case:
        """The case with its class, where it has a decoy."""
        if case.decoy is None or case.target is not None:
            return case
        return replace(case, target=self.evidence.target(case.decoy, case.models))

    def value(self, name: str, case: Case) -> Any:
        """What the fixture of this name is for this case."""
        case, kind = self.resolved(case), KINDS[name]
        asked = case.models[:1] if kind.of_a_case else case.models
        each = tuple(kind.ask(self.evidence, model, case) for model in asked)
        return each[0] if len(each) == 1 else each

    def take(
        self, function: Callable[..., Any], given: Mapping[str, Any], case: Case, audit: Audit
    ) -> None:
        """Keeps what the function has handed over for this case, where somebody called it."""
        self._audits[key(function, given, case)] = audit

    def audit(self, function: Callable[..., Any], given: Mapping[str, Any], case: Case) -> Audit:
        """What the function hands over for any case; `given` does not depend on the case."""
        known = key(function, given, case)
        if known not in self._audits:
            audit = Audit()
            names = inspect.signature(function).parameters
            evidence = {name: self.value(name, case) for name in names if name in KINDS}
            function(**{**given, **evidence, "audit": audit})
            self._audits[known] = audit
        return self._audits[known]

    def measurement(self, check: Check, case: Case) -> Measurement | None:
        """The numbers of one check; None where the audit does not apply to this decoy."""
        found = self.audit(check.function, check.given, case).measurements
        return found[check.at] if found else None

    def compared(self, check: Check, case: Case) -> tuple[Measurement, Comparison]:
        """The numbers, and the same effect in other models (or pairs), this case left out.

        Those are the sound references, or all other models where the manifest names none. Where
        they are fewer than two, effects under permuted labels take their place.
        """
        measurement = self.audit(check.function, check.given, case).measurements[check.at]
        limit = measurement.limit.value
        comparison = Comparison(limit)
        if measurement.references:
            named = references_for(case.models, self.evidence.candidates)
            effects = self._effects(check, case, named or list(self.evidence.candidates))
            if named:
                sound = sound_references(effects, limit)
                comparison = Comparison(limit, references=tuple(effects[name] for name in sound))
            else:
                comparison = Comparison(limit, rashomon=tuple(effects.values()))
        others = max(len(comparison.references), len(comparison.rashomon))
        if others < 2 and measurement.null is not None:
            comparison = replace(comparison, null=measurement.null())
        return measurement, comparison

    def _effects(self, check: Check, case: Case, names: Sequence[str]) -> dict[str, float]:
        """The effect of each other model, or pair, that has one."""
        groups = []
        for group in combinations(names, len(case.models)):
            if set(group) != set(case.models) and self._comparable(group):
                groups.append(group)
        first = int(self.turn * len(groups))
        found = {}
        for group in groups[first:] + groups[:first]:
            found[group] = self._effect(check, replace(case, models=group))
        return {"+".join(group): found[group] for group in groups if not np.isnan(found[group])}

    def _comparable(self, group: Sequence[str]) -> bool:
        """Whether the models of a pair can be asked about the same pictures."""
        return comparable(self.evidence.candidates[group[0]], self.evidence.candidates[group[-1]])

    def _effect(self, check: Check, case: Case) -> float:
        """NaN where there is none: a model that cannot be asked, or that is at chance."""
        try:
            measurement = self.measurement(check, case)
            able = all(self.abilities.competence(model).p < SURE for model in case.models)
        except (ModelError, UsageError):
            return float("nan")  # said in that model's own cases
        return measurement.effect if measurement and able else float("nan")


def key(function: Callable[..., Any], given: Mapping[str, Any], case: Case) -> tuple[Any, ...]:
    """What a measurement depends on."""
    return function.__module__, function.__qualname__, repr(sorted(given.items())), case
