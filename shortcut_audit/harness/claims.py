"""The words of a finding: one whole sentence with its figures, as a reviewer reads it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import median

from shortcut_audit.harness.audit import Measurement
from shortcut_audit.judging.competence import LEVEL, SURE, Competence
from shortcut_audit.records import ABOVE_CHANCE, Case, Estimate, Finding, Judgement, Verdict
from shortcut_audit.reporting.wording import figures, filled, percent

# accuracy below what the checkpoint states by more than this is another function, not other
# pictures
FALLS_SHORT = 0.10
CAUSES = (
    "the usual causes: mean and std that are not of pixel values in [0, 1], another input size, "
    "another order of classes, another head, weights that were never trained, pictures that are "
    "black"
)


def sentence(
    case: Case, measurement: Measurement, judgement: Judgement, decoy: str, names: Iterable[str]
) -> str:
    """The audit's own claim, filled in, and the figures behind it.

    decoy: as it is named, and at which strength. names: of all models, whose braces ask for
        nothing.
    """
    words = {
        "model": " and ".join(case.models),
        "decoy": decoy,
        "target": case.target or "",
        "observed": percent(judgement.observed),
        "control": percent(judgement.control),
        "effect": percent(judgement.estimate.value),
    }
    template = (
        measurement.claim or "{model} shows {observed} with {decoy}, {control} under the control"
    )
    return filled(template, words, names) + figures(judgement)


def unnamed(claim: str, part: str, among: int, named: str | None) -> str:
    """What is added where the worst of `among` questions is about a class, or a strength, that the
    scenario does not name.
    """
    if named is None or part == "elsewhere":
        of = "questions about classes and strengths"
    else:
        of = "other strengths" if among > 1 else "other strength"
    beside = f"; the most of {among} {of} that the scenario does not name"
    if part == "elsewhere" and named is not None:
        beside += f" (it names '{named}')"
    return claim + beside


def of_colour(excused: Judgement) -> str:
    """What is added where the control is the decoy's own pixels in another order: the effect beyond
    its usual control.
    """
    effect = f"{100 * excused.estimate.value:.0f} points"
    return (
        f"; that is beyond its own pixels in another order, and {effect} beyond its control are of "
        "the decoy's colours"
    )


def driven_away(claim: str, judgement: Judgement, target: str, other: str) -> str:
    """A large negative effect is said for what it is."""
    if not judgement.estimate.high < -judgement.limit:
        return claim
    where = f", to '{other}' most of all" if other != target else ""
    return f"{claim}; the decoy drives pictures AWAY from '{target}'{where}"


def of_accuracy(claim: str, verdict: Verdict, noted: bool) -> str:
    """What is added where a model is, or may be, less accurate than the set allows: that this is no
    word on a shortcut.
    """
    if verdict is Verdict.VIOLATED:
        return (
            f"{claim}; that is its accuracy and no shortcut: "
            "raise rashomon.epsilon to let a model that much worse through"
        )
    return f"{claim}; noted, and keeps nobody from being promoted" if noted else claim


def not_counted(finding: Finding, reason: str) -> Finding:
    """A finding on masks that come from an explainer which is not to be trusted on the model: it
    has nothing to say.

    It says nothing against the model, so that it blocks nothing, and nothing for it: what else
    blocks decides.
    """
    claim = f"{finding.claim}; does not count: {reason}"
    unpromised = replace(finding.judgement, detectable=None, planted=None)
    return replace(
        finding,
        claim=claim,
        verdict=Verdict.UNDECIDED,
        blocking=False,
        applies=False,
        judgement=unpromised,
    )


def hollow(audit: str, case: Case, reason: str) -> Finding:
    """The finding of an audit that has nothing to say: it blocks nothing and passes nothing."""
    claim = f"{audit} does not apply to {case.decoy or case.id}: {reason}"
    return Finding(
        audit,
        case.models,
        case.decoy,
        Verdict.UNDECIDED,
        blocking=False,
        claim=claim,
        applies=False,
    )


@dataclass(frozen=True)
class Peers:
    """What else an accuracy is held against."""

    stated: float | None = None  # the share that the checkpoint states of itself
    references: tuple[float, ...] = ()  # of the reference models
    # another reading of the pictures, accuracy as read, accuracy so
    better: tuple[str, float, float] | None = None


def above_chance(
    model: str, found: Competence, outputs: tuple[str, ...], peers: Peers, label: str = ""
) -> Finding:
    """HOLDS where the model is shown to be better than chance, with its classes in place, and read
    as it was trained.

    label: the one that it was asked about, where it answers each on its own.
    """
    reason = _doubt(found, outputs, peers)
    about = f" about '{label}'" if label else ""
    share = f"{percent(found.accuracy)} of {found.n} plain validation images"
    right = f"{model} is right{about} on {share}"
    interval = f"[{100 * found.low:.0f}, {100 * found.high:.0f}]"
    chance = f"the same answers in another order would be on {percent(found.chance)}"
    verdict = Verdict.UNDECIDED if reason else Verdict.HOLDS
    judgement = Judgement(
        verdict=verdict,
        estimate=Estimate(found.accuracy, found.low, found.high, LEVEL, found.n, "Clopper-Pearson"),
        observed=found.accuracy,
        control=found.chance,
        limit=found.chance,
        p=found.p,
        p_adjusted=None,
        null="no more than chance (exact binomial)",
        needed=found.needed,
    )
    claim = f"{right} {interval}; {chance}{f'; {reason}' if reason else ''}"
    return Finding(
        ABOVE_CHANCE, (model,), None, verdict, blocking=True, claim=claim, judgement=judgement
    )


def _doubt(found: Competence, outputs: tuple[str, ...], peers: Peers) -> str:
    """Why the model's other findings cannot be believed, in words; "" where they can."""
    if found.exchanged:
        moved = ", ".join(
            f"'{outputs[label]}' is called '{outputs[answer]}'" for label, answer in found.exchanged
        )
        return (
            f"undecided: classes changed places ({moved}); "
            "is the order of 'classes' in the manifest that of the outputs?"
        )
    if found.p >= SURE:
        if found.needed is not None:
            return (
                "undecided: so few images do not show that it is better than chance; "
                f"about {found.needed} in all would"
            )
        return (
            "undecided: it is not shown to be better than chance, and whatever it does with a "
            f"decoy says nothing; {CAUSES}"
        )
    if peers.better is not None:
        words, own, other = peers.better
        return (
            f"undecided: with {words} it is right on {percent(other)} where it is on "
            f"{percent(own)}: is 'input' right? Where it is, waive {ABOVE_CHANCE} in the scenario"
        )
    if peers.stated is not None and found.high < peers.stated - FALLS_SHORT:
        return (
            f"undecided: its checkpoint states {percent(peers.stated)}, so that it is another "
            f"function here; {CAUSES}"
        )
    usual = median(peers.references) if len(peers.references) > 1 else 0.0
    if found.high < usual - FALLS_SHORT:
        return (
            f"undecided: reference models are right on {percent(usual)}, so that it is read "
            f"wrongly or no peer; {CAUSES}"
        )
    return ""
