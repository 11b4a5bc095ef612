"""A finished run -> its exhibits, and their pictures on the disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from shortcut_audit.errors import ModelError, UsageError
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.exhibits import Exhibit, Faintest, Looked, Spoke, Tile
from shortcut_audit.progress import Progress
from shortcut_audit.promotion import ORDER
from shortcut_audit.records import Report
from shortcut_audit.showing.album import Album
from shortcut_audit.showing.drafts import Draft, drafts
from shortcut_audit.showing.kept import Kept

Kind = TypeVar("Kind")


def exhibits(evidence: Evidence, report: Report, reports: Path) -> tuple[Exhibit, ...]:
    """What can be shown of each model and each decoy that it has findings about.

    From what the run has kept: no network is asked. The pictures lie in `pictures/` of the folder
    `reports`, WebP files named by their content; what no exhibit names any more is removed from
    there.

    Raises:
        OSError: a picture cannot be written.
    """
    found = list(_all_drafts(evidence, report))
    urgency = {name: ORDER.index(model.decision) for name, model in report.models.items()}
    album = Album()
    ranks = [urgency[draft.exhibit.model] for draft in found]
    shown = drawn(found, ranks, album, evidence.progress)
    album.write(reports)
    return shown


def _all_drafts(evidence: Evidence, report: Report) -> Iterator[Draft]:
    for done, name in enumerate(report.models):
        evidence.progress("what the report can show", done, len(report.models))
        try:
            yield from _of_model(Kept(evidence), name, report)
        except (ModelError, UsageError):
            continue  # said in its own findings


def _of_model(kept: Kept, name: str, report: Report) -> Iterator[Draft]:
    model = report.models[name]
    if kept.sha256(name) != model.sha256:
        return  # its file is not any more what was audited
    together = [pair for pair in report.pairs if name in pair.subjects]
    asked = {finding.decoy for finding in (*model.findings, *together)}
    for decoy in kept.scenario.decoys:
        if decoy in asked:
            yield from drafts(kept, name, decoy, model.findings)


def drawn(
    found: Sequence[Draft], urgency: Sequence[int], album: Album, progress: Progress
) -> tuple[Exhibit, ...]:
    """The exhibits with as many of their pieces as the album has room for.

    First one of each, then the others of the most urgent (0) by turns, and so on. Law: of each
    draft it is the first pieces that are drawn, in their order.
    """
    pieces: list[list[Tile | Looked | Spoke | Faintest]] = [[] for _ in found]
    turns = sorted(_turns(found, urgency))
    for done, (_, at, number) in enumerate(turns):
        progress("pictures of the report", done, len(turns))
        if album.full:
            break
        pieces[at].append(found[at].pieces[number](album))
    return tuple(map(_filled, found, pieces))


def _turns(
    found: Sequence[Draft], urgency: Sequence[int]
) -> Iterator[tuple[tuple[int, int], int, int]]:
    """When each piece is drawn; the draft's place and the piece's."""
    for at, draft in enumerate(found):
        for number in range(len(draft.pieces)):
            yield (1 + urgency[at], number) if number else (0, urgency[at]), at, number


def _filled(draft: Draft, pieces: Sequence[Tile | Looked | Spoke | Faintest]) -> Exhibit:
    return replace(
        draft.exhibit,
        tiles=_only(Tile, pieces),
        looked=_only(Looked, pieces),
        spoke=_only(Spoke, pieces),
        faintest=_only(Faintest, pieces),
    )


def _only(kind: type[Kind], pieces: Iterable[object]) -> tuple[Kind, ...]:
    return tuple(piece for piece in pieces if isinstance(piece, kind))
