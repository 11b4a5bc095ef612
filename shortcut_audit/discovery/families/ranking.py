"""Candidates -> families with what each does to a model and its peers, the worst first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shortcut_audit.contracts import Progress
from shortcut_audit.discovery.families.family import Family, Rate
from shortcut_audit.discovery.families.merging import Candidate
from shortcut_audit.discovery.ground import Ground
from shortcut_audit.discovery.hosts import hosts_of


def ranked(
    candidates: Sequence[Candidate], search: Ground, hosts: int, report: Progress | None = None
) -> list[Family]:
    """Lays each on pictures of other classes of the half that ranks.

    hosts: on how many pictures.
    """
    rates: list[dict[str, Rate]] = [{} for _ in candidates]
    asked = (search.model, *search.peers)
    for done, model in enumerate(asked, 1):
        for each, known in zip(candidates, rates, strict=True):
            known[model] = _rate(each, search, model, hosts)
        if report:
            report(done, len(asked))
    found = []
    for each, known in zip(candidates, rates, strict=True):
        found.append(_family(each, search.model, known, hosts))
    return sorted(found, key=lambda family: (-family.beyond, -family.own))


def _rate(each: Candidate, search: Ground, model: str, hosts: int) -> Rate:
    pictures = search.parts.rank
    target = pictures.classes.index(each.proposal.target)
    at = hosts_of(pictures, target, hosts)
    placed = each.decoy.apply(pictures.pixels[at], [pictures.ids[int(i)] for i in at])
    shares = []
    for pixels in (placed.decoyed, placed.control):
        answers = search.asked(model, pixels).argmax(1)
        shares.append(float(np.mean(answers == target)))
    return Rate(*shares)


def _family(each: Candidate, model: str, rates: dict[str, Rate], n: int) -> Family:
    proposal = each.proposal
    options = dict(proposal.filter or {})
    if each.rgba is not None:
        options = {"kind": "layer"} if each.corner else {"kind": "overlay"}
        options |= (
            {} if each.corner else {"size": round(max(each.rgba.shape[:2]) / proposal.side, 3)}
        )
    return Family(
        proposal.target,
        each.proposers,
        proposal.words,
        each.decoy,
        options,
        each.recurs,
        model,
        rates,
        n,
        each.rgba,
        proposal.sources,
    )
