"""Exhibit -> what the page shows of one model and one decoy."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shortcut_audit.exhibits import Box, Distribution, Exhibit, Tile
from shortcut_audit.records import Report, Verdict
from shortcut_audit.reporting.page.drawings import axis, box, scale
from shortcut_audit.reporting.page.models import ModelView
from shortcut_audit.reporting.page.pictures import LISTS

CONDITIONS = {  # condition -> in words
    "plain": "without either",
    "decoyed": "with the decoy",
    "control": "with its control",
}
AT_ONCE = 6  # so many of the pictures that turned are shown, the others on demand
SHADES = 5  # of a confusion matrix


@dataclass(frozen=True)
class Drawn:
    """A distribution with its drawing: (condition in words, its name, box, drawing) for each."""

    distribution: Distribution
    boxes: tuple[tuple[str, str, Box, str], ...]
    axis: str


@dataclass(frozen=True)
class Evidence:
    """An exhibit, and how many of its items there was no room for."""

    id: str
    exhibit: Exhibit
    drawn: tuple[Drawn, ...]
    left_out: int
    failing: bool  # some finding of the model about this decoy is VIOLATED


def failing(report: Report) -> set[int]:
    """Places of the exhibits about which some finding of their model is VIOLATED."""
    places = set()
    for place, exhibit in enumerate(report.exhibits):
        model = report.models.get(exhibit.model)
        for finding in model.findings if model else ():
            if finding.decoy == exhibit.decoy and finding.verdict is Verdict.VIOLATED:
                places.add(place)
    return places


def evidence(
    view: ModelView, report: Report, fitted: Sequence[Exhibit], fail: Collection[int]
) -> list[Evidence]:
    """A model's exhibits: those that fail first, then those with most turned pictures.

    fitted: the report's exhibits as far as there is room for their pictures.
    """
    places = [at for at, each in enumerate(report.exhibits) if each.model == view.name]
    places.sort(key=lambda at: (at not in fail, -report.exhibits[at].turned))
    shown = []
    for place, at in enumerate(places, 1):
        exhibit = fitted[at]
        left_out = _items(report.exhibits[at]) - _items(exhibit)
        drawn = tuple(_drawn(each) for each in exhibit.distributions)
        shown.append(Evidence(f"{view.id}-d{place}", exhibit, drawn, left_out, at in fail))
    return shown


def example(found: Sequence[Evidence]) -> tuple[Exhibit, Tile] | None:
    """The picture that convinces at once: the worst one that turned, of the first that has any."""
    for each in found:
        for tile in each.exhibit.tiles:
            if tile.turned:
                return each.exhibit, tile
    return None


def shade(count: int, row: Sequence[int]) -> int:
    """How dark a cell of a confusion matrix is, from 0 to SHADES, by its share of its row."""
    return -(-SHADES * count // max(1, sum(row)))


def _items(exhibit: Exhibit) -> int:
    return sum(len(getattr(exhibit, name)) for name in LISTS)


def _drawn(distribution: Distribution) -> Drawn:
    """Every condition on one scale."""
    ends: list[float] = []
    for _, each in distribution.boxes:
        ends += (each.low, each.high)
    of = scale(ends)
    boxes = []
    for condition, each in distribution.boxes:
        boxes.append((CONDITIONS.get(condition, condition), condition, each, box(of, each)))
    return Drawn(distribution, tuple(boxes), axis(of))
