"""What every report says first: who may be promoted, which finding decided, what would change it.

The terminal, the page and the Markdown summary ask the same functions, so that they say the same:

    headline(report) -> str                 one sentence about the run, for the top
    ordered(report) -> [(name, model)]      rejected, undecided, waived, promoted
    deciding(model) -> Finding | None       the finding that a model's sentence is taken from
    effect(finding) -> str                  its figure, `94 points [91, 96]`
    limit(finding) -> str                   what the figure is held against, `10`, in points
    figures(finding) -> str                 both, and what clean models show as well
    would_change(model) -> str              what would make it another verdict
    SYMBOLS[decision]                       one character, for whoever does not see the colour

They return plain text without a full stop: names and claims are as users wrote them, so that
whoever writes HTML or Markdown escapes them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from shortcut_audit.promotion import (
    ELSEWHERE,
    ORDER,
    PROMOTED,
    excused,
    named,
    open_findings,
    stops,
)
from shortcut_audit.records import (
    ABOVE_CHANCE,
    ACCURACY,
    EXPLAINER,
    Decision,
    Finding,
    ModelReport,
    Report,
    Verdict,
)

SYMBOLS = {
    Decision.REJECT: "✗",
    Decision.UNDECIDED: "?",
    Decision.WAIVED: "!",
    Decision.PROMOTE: "✓",
}
NAMED, CAUSES = 5, 3  # models, and causes, that the headline names before it only counts
ASKS = "; undecided: "  # behind it a claim says what would decide
REMEDIES = {
    ACCURACY: "a model that is as accurate as the set's best, or a larger rashomon.epsilon",
    EXPLAINER: "another explainer in the scenario (masks.explainer)",
}


def ordered(report: Report) -> list[tuple[str, ModelReport]]:
    """The models with their names: rejected ones first, then undecided, waived, promoted.

    Law: models of one verdict stay in the report's order.
    """
    return sorted(report.models.items(), key=lambda item: ORDER.index(item[1].decision))


def deciding(model: ModelReport) -> Finding | None:
    """The finding that decided; of a promoted model the one that came nearest to its limit.

    None where no finding did: an audit is missing, the run ended early, or the file changed.
    Law: the sentence of a model that is not promoted begins with the finding's claim.
    """
    if model.decision is Decision.PROMOTE:
        return max(filter(_measured, model.findings), key=_nearness, default=None)
    if model.decision is Decision.WAIVED:
        return next(iter(excused(model.findings)), None)
    violated = model.decision is Decision.REJECT
    for finding in open_findings(model.findings):
        asked = finding.verdict is Verdict.VIOLATED or not violated
        if asked and finding.claim == model.sentence:
            return finding
    return None


def _measured(finding: Finding) -> bool:
    """Whether it is a figure about a decoy that could have kept the model from being promoted."""
    about = finding.blocking and finding.applies and finding.decoy is not None
    return about and finding.judgement.estimate.n > 0


def _nearness(finding: Finding) -> tuple[bool, float]:
    """For the nearest to its limit: what the scenario names goes first."""
    room = finding.judgement.estimate.high - finding.judgement.limit
    return named(finding), -math.inf if math.isnan(room) else room


def effect(finding: Finding) -> str:
    """`94 points [91, 96]`, or `22 % right [18, 27]` where it says how accurate the model is."""
    estimate = finding.judgement.estimate
    if estimate.n == 0 or math.isnan(estimate.value):
        return "not measured"
    unit = "% right" if finding.audit == ABOVE_CHANCE else "points"
    interval = f"[{_whole(estimate.low)}, {_whole(estimate.high)}]"
    return f"{_whole(estimate.value)} {unit} {interval}"


def _whole(share: float) -> str:
    text = f"{100 * share:.0f}"
    return "0" if text == "-0" else text


def limit(finding: Finding) -> str:
    """`10`, in points; "" where there is none.

    `10 beyond clean models` where these show an effect as well, `chance, 20 %` beside an accuracy.
    """
    value = 100 * finding.judgement.limit
    if math.isnan(value):
        return ""
    if finding.audit == ABOVE_CHANCE:
        return f"chance, {value:.0f} %"
    innocent = finding.judgement.excess is not None
    return f"{value:.3g}{' beyond clean models' if innocent else ''}"


def figures(finding: Finding) -> str:
    """`94 points [91, 96]; limit 10`; of an innocent effect what clean models show stands between.

    `22 % right [18, 27]; chance, 20 %` where it says how accurate the model is.
    """
    said = [effect(finding)]
    judged = finding.judgement
    if judged.excess is not None and judged.excess_high is not None:
        said.append(_own(judged.estimate.value - judged.excess, judged.excess, judged.excess_high))
    if finding.audit == ABOVE_CHANCE:
        said.append(limit(finding))
    elif not math.isnan(judged.limit):
        said.append(f"limit {100 * judged.limit:.3g}")
    return "; ".join(filter(None, said))


def _own(clean: float, own: float, most: float) -> str:
    """What clean models show of an effect, and what is left: shares."""
    left = f"{_whole(own)} (at most {_whole(most)})" if own > 0 else f"at most {_whole(most)}"
    return f"clean models show {_whole(clean)} as well, so that {left} are its own"


def headline(report: Report) -> str:
    """One sentence: how many must not be promoted, which, and why.

    Law: it says that all may be promoted, and no "but", exactly where the exit code is 0.
    """
    if not report.finished:
        return "The run did not come to its end, so that nobody may be promoted"
    if not report.models:
        return "Nothing was audited, so that nobody may be promoted"
    held = [item for item in ordered(report) if item[1].decision not in PROMOTED]
    if not held:
        return _all_promoted(report)
    total = len(report.models)
    of = "The model" if total == 1 else f"{len(held)} of {total} models"
    return f"{of} must not be promoted: {'; '.join(_by_cause(report, held))}"


def _by_cause(report: Report, held: Sequence[tuple[str, ModelReport]]) -> Iterator[str]:
    """Half a sentence for each of the first causes, and one for all the others."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, model in held:
        groups.setdefault(_cause(report, name, model), []).append(name)
    for (one, many), names in list(groups.items())[:CAUSES]:
        yield f"{_listed(names)} {one if len(names) == 1 else many}"
    others = sum(map(len, list(groups.values())[CAUSES:]))
    if others:
        yield f"{others} more for other reasons"


def _cause(report: Report, name: str, model: ModelReport) -> tuple[str, str]:
    """Why the model is not promoted, as said of one model and of several."""
    if model.decision is Decision.UNDECIDED:
        return "is undecided", "are undecided"
    finding = deciding(model)
    if finding is None or finding.error:
        return "could not be audited", "could not be audited"
    if finding.decoy is None or finding.role:
        return f"fails {finding.audit}", f"fail {finding.audit}"
    asked = class_in_question(report, name, finding)
    of = finding.decoy + (f" for '{asked}'" if asked else "")
    return f"leans on {of}", f"lean on {of}"


def class_in_question(report: Report, model: str, finding: Finding) -> str:
    """The class that the finding is about, where the exhibits say it; else ""."""
    of_it = not finding.audit.endswith(ELSEWHERE)
    for each in report.exhibits:
        if of_it and (each.model, each.decoy) == (model, finding.decoy):
            return each.target
    return ""


def _listed(names: Sequence[str]) -> str:
    """`a, b and c`; behind the first NAMED only how many others there are."""
    if len(names) > NAMED + 1:
        names = [*names[:NAMED], f"{len(names) - NAMED} others"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _all_promoted(report: Report) -> str:
    """The sentence of a run that keeps no model, whether it failed for another reason or not."""
    total = len(report.models)
    said = "The model may be promoted" if total == 1 else f"All {total} models may be promoted"
    waived = sum(model.decision is Decision.WAIVED for model in report.models.values())
    if waived:
        said += " by a waiver" if total == 1 else f", {waived} of them by a waiver"
    if not report.exit_code:
        return said
    pairs = sum(map(stops, report.pairs))
    if pairs:
        of = "a finding about a pair of models blocks"
        more = f"{pairs} findings about pairs of models block"
        return f"{said}, but the run failed: {of if pairs == 1 else more}"
    return f"{said}, but the run failed: see in pytest's own report which test did"


def would_change(model: ModelReport) -> str:
    """What would make it another verdict; "" for a promoted model.

    Law: what a sentence asks for, behind its last colon, is what this returns where no finding
        decided.
    """
    if model.decision is Decision.PROMOTE:
        return ""
    if model.decision is Decision.WAIVED:
        return "the end of the waiver: without it the model is not promoted"
    finding = deciding(model)
    if finding is None:
        return model.sentence.rpartition(": ")[2]
    if finding.error:
        return "put right what the sentence names, and audit it again"
    if ASKS in finding.claim:
        return finding.claim.partition(ASKS)[2]
    return REMEDIES.get(finding.role) or _less(finding)


def _less(finding: Finding) -> str:
    """What would lift a verdict that a figure, or the lack of one, has brought."""
    if finding.judgement.estimate.n == 0:
        return "pictures on which it can be measured, and another audit"
    shown = f"The effect must then be shown to be at most {limit(finding)} points"
    if finding.decoy is None:
        return f"correct the model, and audit it again. {shown}"
    return (
        f"train it on pictures in which {finding.decoy} does not go with one class, "
        f"and audit it again. {shown}"
    )
