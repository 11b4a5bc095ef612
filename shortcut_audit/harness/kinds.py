"""What an audit can ask for: one table. A new kind of evidence is one line here.

Imports no torch: collecting stays cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shortcut_audit.records import ACCURACY, EXPLAINER, Case

if TYPE_CHECKING:
    from shortcut_audit.evidence.collection import Evidence
    from shortcut_audit.scenario import Scenario


CASE = "audit_case"  # the parameter that holds a test's case


@dataclass(frozen=True)
class Kind:
    """One argument that an audit function may have."""

    about: str  # what `pytest --fixtures` says of it
    # of one model, or of all models of a case where `of_a_case` is set
    ask: Callable[[Evidence, str, Case], Any]
    of_a_decoy: bool = False  # an audit that asks for it has a case for each decoy
    of_an_attribute: bool = False  # or for each attribute of the pictures
    of_a_case: bool = True  # False: a pair's audit gets one for each of the two models
    # the line of the scenario without which nobody asks for it, such as "smallest: true"; "": it is
    # always to be had
    line: str = ""


def _decoy(evidence: Evidence, model: str, case: Case) -> Any:
    return evidence.named_decoy(model, str(case.decoy), case.target)


def _pair(evidence: Evidence, _model: str, case: Case) -> Any:
    return tuple(evidence.candidates[one] for one in case.models)


def _predictions(evidence: Evidence, model: str, case: Case) -> Any:
    return evidence.about(model, str(case.decoy), case.target, case.strength, case.control)


def _masks(evidence: Evidence, model: str, case: Case) -> Any:
    return evidence.masks(model, str(case.decoy), case.target)


def _explainer_check(evidence: Evidence, model: str, case: Case) -> Any:
    return evidence.explainer_check(model, str(case.decoy), case.target)


def _influence(evidence: Evidence, model: str, case: Case) -> Any:
    return evidence.influence(model, str(case.decoy), case.target)


def _transfer(evidence: Evidence, model: str, case: Case) -> Any:
    return evidence.transfer(model, case.models[-1], str(case.decoy), case.target)


def _smallest_decoy(evidence: Evidence, model: str, case: Case) -> Any:
    from shortcut_audit.discovery.smallest import smallest_decoy

    return smallest_decoy(evidence, model, str(case.decoy), case.target)


def _natural(evidence: Evidence, model: str, case: Case) -> Any:
    from shortcut_audit.evidence.natural import natural

    return natural(evidence, model, str(case.decoy), case.target)


def _filled(evidence: Evidence, model: str, case: Case) -> Any:
    from shortcut_audit.evidence.natural import filled

    return filled(evidence, model, str(case.decoy), case.target)


def _unnamed(evidence: Evidence, model: str, _case: Case) -> Any:
    from shortcut_audit.discovery.asked import unnamed

    return unnamed(evidence, model)


KINDS = {
    "subject": Kind(
        "The loaded model: `subject.network` maps (n, 3, h, w) in [0, 1] to logits (n, k).",
        lambda evidence, model, _: evidence.subject(model),
    ),
    "pair": Kind(
        "The two models' entries of the manifest; the other fixtures then give a tuple of two.",
        _pair,
    ),
    "decoy": Kind("The decoy's name, target and target_index.", _decoy, of_a_decoy=True),
    "predictions": Kind(
        "Logits on the validation images: plain, decoyed, control.",
        _predictions,
        of_a_decoy=True,
        of_a_case=False,
    ),
    "masks": Kind(
        "What the model needs to see of images of the decoy's class.",
        _masks,
        of_a_decoy=True,
        of_a_case=False,
    ),
    "explainer_check": Kind(
        "Masks in copies of the model of which it is known where they must lie.",
        _explainer_check,
        of_a_decoy=True,
        of_a_case=False,
    ),
    "transfer": Kind(
        "Scores of a pair of models through their own and each other's masks.",
        _transfer,
        of_a_decoy=True,
    ),
    "influence": Kind(
        "How much each training image speaks for each query.",
        _influence,
        of_a_decoy=True,
        of_a_case=False,
    ),
    "smallest_decoy": Kind(
        "The smallest and faintest form of the decoy that turns images.",
        _smallest_decoy,
        of_a_decoy=True,
        of_a_case=False,
        line="smallest: true",
    ),
    "natural": Kind(
        "Logits on pictures that show an attribute, and on those that do not.",
        _natural,
        of_an_attribute=True,
        of_a_case=False,
        line="attributes: {NAME: {target: CLASS}}",
    ),
    "filled": Kind(
        "Logits on pictures of which an attribute was taken away.",
        _filled,
        of_an_attribute=True,
        of_a_case=False,
        line="attributes: {NAME: {target: CLASS}}",
    ),
    "accuracy": Kind(
        "Which plain validation images the model, and the best model, get right.",
        lambda evidence, model, _: evidence.accuracy(model),
    ),
    "unnamed": Kind(
        "Logits under each thing that the search for unnamed shortcuts proposed.",
        _unnamed,
        of_a_case=False,
        line="discover: {}",
    ),
    "limits": Kind("The scenario's limits.", lambda evidence, *_: evidence.scenario.limits),
    "scenario": Kind("The whole scenario.", lambda evidence, *_: evidence.scenario),
}
OF_A_DECOY = frozenset(name for name, kind in KINDS.items() if kind.of_a_decoy)
OF_AN_ATTRIBUTE = frozenset(name for name, kind in KINDS.items() if kind.of_an_attribute)


def not_asked_for(wanted: Collection[str], scenario: Scenario) -> str:
    """The line that the scenario lacks for an audit of these; "" where it lacks none."""
    for name in sorted(KINDS.keys() & set(wanted)):
        line = KINDS[name].line
        if line and not getattr(scenario, line.partition(":")[0], None):
            return line
    return ""


def role_of(wanted: Collection[str]) -> str:
    """What an audit that asks for these is about, where that is not the model's reasons.

    ACCURACY: it asks for that and for nothing of a decoy. EXPLAINER: of a decoy it asks for nothing
    but the explainer's check. So a renamed audit, or a copy of an older one, loses nothing.
    """
    of_a_decoy = (OF_A_DECOY | OF_AN_ATTRIBUTE) & set(wanted)
    if "accuracy" in wanted and not of_a_decoy:
        return ACCURACY
    if "explainer_check" in wanted and of_a_decoy <= {"explainer_check", "decoy"}:
        return EXPLAINER
    return ""
