"""Revealed -> what a terminal shows: a line for each thing and model that is worth one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shortcut_audit.files.whole import printable
from shortcut_audit.revealing.revealed import Revealed
from shortcut_audit.revealing.worth import worth

COLUMNS = ("thing", "class", "model", "this model %", "peers %", "control %", "state")
FIGURES = range(3, 6)
GAP = "  "


def lines(revealed: Revealed) -> Iterator[str]:
    """The table, and what it does not say."""
    rows = list(_rows(revealed))
    if rows:
        yield from _aligned([COLUMNS, *rows])
    else:
        yield f"nothing was proposed in {', '.join(revealed.tried)}, which is no pass"
        yield from worth()
    if revealed.alone:
        yield (
            f"there is no other model beside {', '.join(revealed.alone)}: without peers nothing "
            "can be told from what any model would do, so that nothing is confirmed"
        )
    yield from (f"not asked: {printable(note)}" for note in revealed.notes)


def _rows(revealed: Revealed) -> Iterator[tuple[str, ...]]:
    for thing in revealed.things:
        for model, answer in thing.told().items():
            shares = (answer.share, answer.peers, answer.control)
            figures = ["-" if share is None else f"{100 * share:.0f}" for share in shares]
            named = (thing.name, thing.family.target, model)
            yield (*map(printable, named), *figures, answer.state.value)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Text to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = []
        for at, (cell, width) in enumerate(zip(row, widths, strict=True)):
            cells.append(cell.rjust(width) if at in FIGURES else cell.ljust(width))
        yield GAP.join(cells).rstrip()
