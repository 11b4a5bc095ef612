"""ModelReport -> its lines on the page: what was decided and why, what would change it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shortcut_audit.records import Decision, ModelReport, Report
from shortcut_audit.reporting.deciding import deciding, ordered, would_change
from shortcut_audit.reporting.matrix import accuracy_of
from shortcut_audit.reporting.page.states import DECIDED, Shown, State, state

TONES = ("bad", "open", "waived", "noted", "good", "none")  # in which order findings are listed
# a claim says its figures first, and behind them what else is to be said
FIGURES = re.compile(r".*?\(n = \d+\)", re.DOTALL)


@dataclass(frozen=True)
class ModelView:
    """One model as the page shows it."""

    id: str
    name: str
    model: ModelReport
    state: State
    line: str  # what goes on behind the name, without a full stop: " turns 84 % ..." or ": no ..."
    change: str  # what would change it; "" of a promoted model
    accuracy: Shown | None
    findings: tuple[Shown, ...]


def model_views(report: Report) -> list[ModelView]:
    """Rejected models first. Law: ids come from places and not from names, so that no name breaks
    a link.
    """
    views = []
    for place, (name, model) in enumerate(ordered(report), 1):
        views.append(_view(f"m{place}", name, model))
    return views


def _view(id_: str, name: str, model: ModelReport) -> ModelView:
    shown, accuracy = [], accuracy_of(model)
    for place, finding in enumerate(model.findings, 1):
        shown.append(Shown(f"{id_}-f{place}", finding, state(finding)))
    return ModelView(
        id=id_,
        name=name,
        model=model,
        state=DECIDED[model.decision],
        line=line(name, model),
        change=_change(model),
        accuracy=next((each for each in shown if each.finding is accuracy), None),
        findings=tuple(sorted(shown, key=lambda each: TONES.index(each.state.tone))),
    )


def line(name: str, model: ModelReport) -> str:
    """What is said of the model in one sentence: what decided, or of a promoted model what came
    nearest, up to its figures. Law: the name and the line are one sentence.
    """
    finding = deciding(model)
    if model.decision is Decision.WAIVED and finding is not None:
        return f"{_behind(name, brief(finding.claim))}; waived {finding.waived}"
    if model.decision is not Decision.PROMOTE or finding is None:
        return _behind(name, brief(model.sentence))
    nearest = _behind(name, brief(finding.claim))
    nearest = f"it{nearest}" if nearest.startswith(" ") else nearest.removeprefix(": ")
    return f": no shortcut was found; nearest to its limit, {nearest}"


def _behind(name: str, sentence: str) -> str:
    """The sentence without the name that it begins with; behind a colon where it does not."""
    rest = sentence.removeprefix(name)
    begins = rest != sentence and rest.startswith((" ", ":"))
    return rest if begins else f": {sentence}"


def brief(claim: str) -> str:
    """A claim up to `(n = 800)`, and the whole of one that has no figures."""
    found = FIGURES.match(claim)
    return found[0] if found else claim


def _change(model: ModelReport) -> str:
    """What would make it another verdict, and how many images that is more than there are."""
    change, finding = would_change(model), deciding(model)
    if finding is None or finding.judgement.needed is None:
        return change
    more = finding.judgement.needed - finding.judgement.estimate.n
    return f"{change} ({more} more than there are)" if more > 0 else change
