"""Evidence -> Revealed: every model is searched, and the audit asks on the validation pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from shortcut_audit.calibration.audit_functions import audit_functions
from shortcut_audit.discovery.asked import discovery_of
from shortcut_audit.discovery.families.family import Family
from shortcut_audit.discovery.families.merging import same
from shortcut_audit.discovery.search import Discovery
from shortcut_audit.errors import ModelError, UsageError
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.files.sources import shipped_audits
from shortcut_audit.harness.judge import Harness
from shortcut_audit.records import Case, Finding
from shortcut_audit.revealing.revealed import Answer, Revealed, Thing
from shortcut_audit.revealing.states import state_of
from shortcut_audit.subjects.manifest.references import references_for

AUDIT = "unknown_shortcuts"  # which confirms, or does not


def reveal(evidence: Evidence, searched: Callable[[str], None] = lambda model: None) -> Revealed:
    """Searches the models that are no references, and asks all about everything proposed.

    Args:
        evidence: of a scenario with `discover`.
        searched: hears of each model that was.

    Raises:
        UsageError: a class that there is not, or no model could be searched.
        DataError: no training pictures, or too few.
    """
    discovery, notes = discovery_of(evidence), dict[str, str]()
    classes = tuple(evidence.material.classes[at] for at in discovery.targets())
    found: dict[str, tuple[Family, ...]] = {}
    seconds: dict[str, float] = {}
    for model in discovery.searched():
        began = time.monotonic()
        try:
            found[model] = discovery.families(model)
        except (ModelError, UsageError) as error:
            notes[model] = str(error)
            continue
        seconds[model] = round(time.monotonic() - began, 1)
        searched(model)
    if not found:
        raise UsageError(f"no model could be searched: {'; '.join(notes.values())}")
    things = _things(evidence, discovery, found, notes)
    return Revealed(
        classes,
        tuple(sorted(things, key=lambda thing: thing.place)),
        {model: tuple(_rest(families, things)) for model, families in found.items()},
        {model: tuple(_asked(families)) for model, families in found.items()},
        seconds,
        tuple(notes.values()),
    )


def _asked(families: tuple[Family, ...]) -> Iterator[str]:
    """The peers that could be asked about what was tried."""
    for family in families[:1]:
        yield from (name for name in family.rates if name != family.model)


def _things(
    evidence: Evidence,
    discovery: Discovery,
    found: dict[str, tuple[Family, ...]],
    notes: dict[str, str],
) -> list[Thing]:
    """Everything that was proposed, with the answers of all models, references included."""
    named = discovery.named()
    findings = _findings(evidence, notes) if named else {}
    things = []
    for at, (name, family) in enumerate(named.items()):
        of_it = {model: each[at] for model, each in findings.items()}
        proposed = tuple(_proposed_in(found, discovery, family))
        things.append(Thing(name, family, proposed, _answers(evidence, of_it)))
    return things


def _proposed_in(models: Iterable[str], discovery: Discovery, family: Family) -> Iterator[str]:
    for model in models:
        if any(same(each, family) for each in discovery.proposed(model)):
            yield model


def _findings(evidence: Evidence, notes: dict[str, str]) -> dict[str, list[Finding]]:
    """Model -> its findings, one for each thing in their order; `notes` says who has none."""
    harness, (check,) = Harness(evidence), audit_functions(shipped_audits(), AUDIT)
    found = {}
    for model in evidence.candidates:
        try:
            judged = harness.judge(check.function, {}, Case((model,)), check.name)
        except (ModelError, UsageError) as error:
            notes[model] = str(error)
            continue
        found[model] = [each for each in judged if each.audit == check.name]
    return found


def _answers(evidence: Evidence, findings: dict[str, Finding]) -> dict[str, Answer]:
    """Each model's finding, held against those of its peers."""
    answers = {}
    for model, finding in findings.items():
        against = references_for((model,), evidence.candidates) or list(findings)
        peers = [findings[name].judgement for name in against if name != model and name in findings]
        most = max((peer.observed for peer in peers), default=None)
        answers[model] = Answer(finding, state_of(finding.judgement, peers), most)
    return answers


def _rest(families: tuple[Family, ...], things: list[Thing]) -> Iterator[Family]:
    """What is none of the things."""
    for family in families:
        if not any(same(family, thing.family) for thing in things):
            yield family
