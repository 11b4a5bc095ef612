"""Tests -> the evidence that they will ask for, before any is computed.

It is a forecast, for the time left: an audit may ask for more, and no verdict depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from shortcut_audit.harness.kinds import OF_A_DECOY
from shortcut_audit.harness.questions import asks_predictions_alone
from shortcut_audit.progress import Unit
from shortcut_audit.promotion import blocks
from shortcut_audit.records import Candidate, Case
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.manifest.references import references_for
from shortcut_audit.subjects.pictures.material import Material

# what is asked for along with an argument of an audit function
ALONG = {
    "predictions": ("predictions",),
    "masks": ("masks", "explainer_check"),
    "explainer_check": ("explainer_check",),
    "transfer": ("masks", "explainer_check"),
    "influence": ("influence", "predictions"),
}


@dataclass(frozen=True)
class Planned:
    """One test of an audit, as pytest collected it."""

    function: Callable[..., Any]
    audit: str
    wanted: frozenset[str]  # the fixtures that it asks for, directly or not
    case: Case


def units(
    tests: Iterable[Planned], candidates: Sequence[Candidate], scenario: Scenario
) -> Iterator[Unit]:
    """What the tests ask for about their models, and about those that they are compared with."""
    by_name = {candidate.name: candidate for candidate in candidates}
    material = Material(scenario)
    for test in tests:
        if test.case.decoy is None:
            continue
        others = references_for(test.case.models, by_name) or list(by_name)
        for kind in _kinds(test):
            versions = _versions(test, kind, material)
            for model in dict.fromkeys([*test.case.models, *others]):
                for version in versions:
                    yield Unit(kind, model, test.case.decoy, version)


def _kinds(test: Planned) -> set[str]:
    kinds: set[str] = set()
    for name in OF_A_DECOY & test.wanted:
        kinds.update(ALONG.get(name, ()))
    return kinds


def _versions(test: Planned, kind: str, material: Material) -> list[str]:
    """The decoy as it is named, and its other strengths where they are asked about too."""
    count, decoy = 1, str(test.case.decoy)
    swept = blocks(material.scenario, test.audit) and asks_predictions_alone(test.function)
    if kind == "predictions" and swept and len(test.case.models) == 1:
        # what is wrong with a decoy is said when it is pasted
        with suppress(Exception):
            count = len(material.strengths(decoy))
    return [version_of(strength, None) for strength in range(count)]


def version_of(strength: int, control: str | None) -> str:
    """The word for a version of a decoy in a `Unit`; "" for the decoy as it is named."""
    return f"{strength or ''}{control or ''}"


def in_words(
    nodeids: Iterable[str], model_of: Callable[[str], str], decoys: Collection[str]
) -> str:
    """`asks: 8 models x 2 decoys, 1 audit, 16 tests: decoy_insertion`; "" where no test is an
    audit's.

    model_of: gives a test's model, and of a test that is no audit's its own name.
    """
    models: set[str] = set()
    seen: set[str] = set()
    audits: dict[str, None] = {}
    tests: list[str] = []
    for nodeid in map(as_given, nodeids):
        model = model_of(nodeid)
        if model != nodeid:
            tests.append(nodeid)
            models.add(model)
            seen |= {decoy for decoy in decoys if nodeid.endswith(f"-{decoy}]")}
            audits[nodeid.partition("[")[0].rpartition("::")[2].removeprefix("test_")] = None
    if not tests:
        return ""
    about = (
        f"{_count(models, 'model')} x {_count(seen, 'decoy')}" if seen else _count(models, "model")
    )
    return f"asks: {about}, {_count(audits, 'audit')}, {_count(tests, 'test')}: {', '.join(audits)}"


def as_given(nodeid: str) -> str:
    """A test's id with its models and decoys as they are called: pytest writes `\\xe8` for `è`."""
    test, bracket, case = nodeid.partition("[")
    with suppress(UnicodeError):  # the ini file can have ids left as they are
        case = case.encode("ascii").decode("unicode_escape")
    return f"{test}{bracket}{case}"


def _count(things: Collection[str], what: str) -> str:
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"
