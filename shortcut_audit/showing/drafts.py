"""Kept evidence -> what could be shown of one model and one decoy; nothing is drawn yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, zip_longest

from torch import Tensor

from shortcut_audit.exhibits import Exhibit, Faintest, Looked, Spoke, Tile
from shortcut_audit.files.whole import printable
from shortcut_audit.promotion import STRONGER, UNNAMED
from shortcut_audit.records import Finding, NamedDecoy, Verdict
from shortcut_audit.showing import looked, predicted, spoke
from shortcut_audit.showing.album import Album
from shortcut_audit.showing.kept import Kept, NotKept

Piece = Callable[[Album], Tile | Looked | Spoke | Faintest]  # draws its pictures into the album


@dataclass(frozen=True)
class Draft:
    """An exhibit without pictures, and what can be drawn for it, the most telling first."""

    exhibit: Exhibit
    pieces: tuple[Piece, ...]


def drafts(kept: Kept, model: str, decoy: str, findings: Sequence[Finding]) -> Iterator[Draft]:
    """What was asked of a model about a decoy as it is named; and, where only what nobody named
    speaks against the model, the class and strength of that.

    Nothing where nothing is kept.

    Args:
        findings: the model's own.

    Raises:
        ModelError, UsageError: the model cannot be asked at all.
    """
    try:
        named = kept.named_decoy(model, decoy, kept.target(decoy, [model]))
    except NotKept:  # no class is named, and nobody asked for an answer that would tell
        return
    draft = _named(kept, model, named)
    if draft.pieces:
        yield draft
    against = [each.audit for each in findings if _speaks_against(each, decoy)]
    if against and all(audit.endswith(UNNAMED) for audit in against):
        yield from _beside(kept, model, named, against[0].endswith(STRONGER))


def _speaks_against(finding: Finding, decoy: str) -> bool:
    violated = finding.blocking and finding.verdict is Verdict.VIOLATED
    return violated and finding.decoy == decoy and not finding.error


def _named(kept: Kept, model: str, named: NamedDecoy) -> Draft:
    exhibit = _empty(kept, model, named)
    pieces = []
    for part in (_predicted, _looked, _spoke, _faintest):
        try:
            exhibit, found = part(kept, exhibit, named)
            pieces.append(found)
        except NotKept:
            continue
    mixed = chain.from_iterable(zip_longest(*pieces))
    return Draft(exhibit, tuple(piece for piece in mixed if piece is not None))


def _empty(kept: Kept, model: str, named: NamedDecoy) -> Exhibit:
    target = printable(named.target)
    return Exhibit(model, kept.sha256(model), named.name, target, pictures=0, turned=0)


def _predicted(
    kept: Kept, exhibit: Exhibit, named: NamedDecoy, strength: int = 0
) -> tuple[Exhibit, list[Piece]]:
    model, decoy = exhibit.model, named.name
    predictions = kept.about(model, decoy, named.target, strength)
    pictures = kept.material.pictures("validation", kept.described(model).size)
    seen = predicted.scene(predictions, named, pictures, kept.columns(model, named.target))
    scores = predicted.scores(seen, kept.material.worded(decoy, strength))
    exhibit = replace(
        exhibit,
        pictures=len(seen.at),
        turned=int(seen.turned.sum()),
        distributions=(scores,) if scores else (),
        confusions=predicted.confused(predictions, seen),
    )
    entry = kept.material.strengths(decoy)[strength]
    shift = seen.shares["decoyed"] - seen.shares["control"]
    pieces: list[Piece] = []
    for i in predicted.worst_first(seen.turned, shift, seen.steady, seen.ids):
        at = int(seen.at[i])
        pieces.append(partial(predicted.tile, seen, i, entry, pictures.pixels[at : at + 1]))
    return exhibit, pieces


def _looked(kept: Kept, exhibit: Exhibit, named: NamedDecoy) -> tuple[Exhibit, list[Piece]]:
    masks = kept.masks(exhibit.model, named.name, named.target)
    ids, shown = _members(kept, exhibit.model, named)
    shares = looked.shares(masks, named.name)
    pieces: list[Piece] = []
    for i in looked.most_on_decoy(masks, ids[: len(masks.decoyed)]):
        mask, footprint = masks.decoyed[i].copy(), masks.footprint[i].copy()
        pieces.append(partial(looked.looked, ids[i], shown(i), mask, footprint))
    distributions = (*exhibit.distributions, *((shares,) if shares else ()))
    return replace(exhibit, distributions=distributions), pieces


def _spoke(kept: Kept, exhibit: Exhibit, named: NamedDecoy) -> tuple[Exhibit, list[Piece]]:
    if not kept.has("influence"):
        raise NotKept("nobody asked, so that no training picture need be read")
    influence = kept.influence(exhibit.model, named.name, named.target)
    size, coverage = kept.described(exhibit.model).size, kept.scenario.influence.coverage
    training, _ = kept.material.partly_decoyed(named.name, size, coverage, named.target)
    ids = kept.material.of_class(named.target, size).ids
    queries, shown = _members(kept, exhibit.model, named)
    pieces: list[Piece] = []
    for query in spoke.typical_queries(influence):
        told, speakers = spoke.said(influence, query, queries[query], ids)
        pieces.append(partial(spoke.spoke, told, shown(query), [training[at] for at in speakers]))
    return exhibit, pieces


def _faintest(kept: Kept, exhibit: Exhibit, named: NamedDecoy) -> tuple[Exhibit, list[Piece]]:
    if not kept.has("smallest_decoy"):
        raise NotKept("nobody asked")
    # hypothesis is slow to import, and few ask for this
    from shortcut_audit.discovery.smallest import smallest_decoy
    from shortcut_audit.showing import faintest

    found = smallest_decoy(kept, exhibit.model, named.name, named.target)
    if found.form is None or not len(found.pictures):
        return exhibit, []
    pictures = kept.material.pictures("validation", kept.described(exhibit.model).size)
    at = faintest.shown_on(found)
    return exhibit, [partial(faintest.faintest, found, pictures.pixels[at], pictures.ids[at])]


def _members(
    kept: Kept, model: str, named: NamedDecoy
) -> tuple[list[str], Callable[[int], Tensor]]:
    """The ids of the validation pictures of the class in question, and what gives the pixels
    (3, h, w) of one of them with the decoy on.
    """
    size = kept.described(model).size
    ids = kept.material.pictures("validation", size).ids
    placed = kept.material.with_decoy(named.name, "validation", size)
    members = kept.material.members(named.name, "validation", size, named.target)
    return [ids[at] for at in members], lambda i: placed.decoyed[int(members[i])]


def _beside(kept: Kept, model: str, named: NamedDecoy, stronger: bool) -> Iterator[Draft]:
    """What the decoy turns most: into another class than is named, or (stronger) into that one at
    another strength.
    """
    worst = max(_unnamed_effects(kept, model, named, stronger), default=None)
    if worst is None:
        return
    _, strength, target = worst
    other = kept.named_decoy(model, named.name, target)
    exhibit = _empty(kept, model, other)
    exhibit, pieces = _predicted(kept, exhibit, other, strength)
    yield Draft(exhibit, tuple(pieces))


def _unnamed_effects(
    kept: Kept, model: str, named: NamedDecoy, stronger: bool
) -> Iterator[tuple[float, int, str]]:
    """Share of other pictures that the decoy turns and its control does not; strength; class."""
    nobodys = kept.scenario.target(named.name) is None  # then each class is tried at each strength
    for strength in range(int(stronger), len(kept.material.strengths(named.name))):
        try:
            kept.predictions(model, named.name, strength)
        except NotKept:
            continue
        for target in kept.outputs(model):
            asked = nobodys or (target == named.target) is stronger
            seen = kept.about(model, named.name, target, strength)
            at = kept.named_decoy(model, named.name, target).target_index
            if asked and (others := seen.labels != at).any():
                gained = (seen.decoyed[others].argmax(1) == at).mean()
                lost = (seen.control[others].argmax(1) == at).mean()
                yield float(gained - lost), strength, target
