"""The beginning of a run: whether what the scenario names is there, before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence

from shortcut_audit import registry
from shortcut_audit.files.store import store_at
from shortcut_audit.harness.plan import Settings
from shortcut_audit.records import Candidate
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.pictures.material import Material


def try_what_is_asked(
    scenario: Scenario, candidates: Sequence[Candidate], settings: Settings
) -> None:
    """Checks that data, decoys, device, store and methods are what the scenario and the user say.

    Raises:
        UsageError, DataError: something that is named is not there.
    """
    material = Material(scenario)
    material.check(scenario.named)
    material.try_decoys(scenario.decoys, max((each.size for each in candidates), default=0) or 64)
    if settings.store:
        store_at(settings.store)
    if settings.device != "auto":
        from shortcut_audit.subjects.loading.device import chosen_device

        chosen_device(settings.device)
    registry.build("explainer", scenario.masks.explainer, scenario.masks.options)
    registry.build("influence", scenario.influence.method, scenario.influence.options)
