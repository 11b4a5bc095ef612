"""Families -> what each does to a model and its peers, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shortcut_audit.contracts import Progress
from shortcut_audit.discovery.families.family import Family, Rate, decoy_of
from shortcut_audit.discovery.ground import Ground
from shortcut_audit.discovery.hosts import hosts_of


def ranked(
    families: Sequence[Family], search: Ground, hosts: int, report: Progress | None = None
) -> list[Family]:
    """Lays each on so many pictures of other classes, of the half that ranks."""
    rates: list[dict[str, Rate]] = [{} for _ in families]
    asked = (search.model, *search.peers)
    for done, model in enumerate(asked, 1):
        for each, known in zip(families, rates, strict=True):
            known[model] = _rate(each, search, model, hosts)
        if report:
            report(done, len(asked))
    found = []
    for each, known in zip(families, rates, strict=True):
        n = len(_hosts(each, search, hosts))
        found.append(replace(each, rates=known, n=n, model=search.model))
    return sorted(found, key=lambda family: (-family.beyond, -family.own))


def _rate(each: Family, search: Ground, model: str, hosts: int) -> Rate:
    pictures, at = search.parts.rank, _hosts(each, search, hosts)
    target = pictures.classes.index(each.target)
    placed = decoy_of(each).apply(pictures.pixels[at], [pictures.ids[int(i)] for i in at])
    shares = []
    for pixels in (placed.decoyed, placed.control):
        answers = search.answers.answered(model, pixels).argmax(1)
        shares.append(float(np.mean(answers == target)))
    return Rate(*shares)


def _hosts(each: Family, search: Ground, most: int) -> np.ndarray:
    """(b,) pictures on which it is laid, as indices of the half that ranks."""
    pictures = search.parts.rank
    return hosts_of(pictures, pictures.classes.index(each.target), most)
