"""Revealed -> `discovered.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shortcut_audit.discovery.families.family import Family
from shortcut_audit.files.whole import replacing
from shortcut_audit.reporting.record import as_row
from shortcut_audit.revealing.revealed import Revealed, Thing

NAME, SCHEMA = "discovered.json", 1


def write_record(revealed: Revealed, folder: Path) -> Path:
    """Every figure of the search: what was proposed, how it stands in each model, what was tried.

    Rates are those of the half of the training pictures that ranks, answers those of the
    validation pictures.
    """
    document = {
        "schema": SCHEMA,
        "classes": list(revealed.classes),
        "things": [_thing(each) for each in revealed.things],
        "tried": {model: list(_all(families)) for model, families in revealed.tried.items()},
        "peers": {model: list(peers) for model, peers in revealed.peers.items()},
        "seconds": dict(revealed.seconds),
        "notes": list(revealed.notes),
    }
    path = folder / NAME
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path


def _thing(thing: Thing) -> dict[str, Any]:
    answers = {}
    for model, each in thing.answers.items():
        answers[model] = {"state": each.state.value, "peers": each.peers, **as_row(each.finding)}
    return {
        "name": thing.name,
        "state": thing.state.value,
        "proposed_in": list(thing.proposed),
        "models": answers,
        **_family(thing.family),
    }


def _all(families: tuple[Family, ...]) -> Iterator[dict[str, Any]]:
    for family in families:
        yield _family(family)


def _family(family: Family) -> dict[str, Any]:
    shape = None if family.rgba is None else list(family.rgba.shape[:2])
    return {
        "target": family.target,
        "proposers": list(family.proposers),
        "words": family.words,
        "recurs": family.recurs,
        "sources": list(family.sources),
        "shape": shape,  # height and width of the mark, in pictures of `side` pixels
        "side": family.side,
        "corner": family.corner and list(family.corner),
        "filter": family.filter and dict(family.filter),
        "rates": {name: asdict(rate) for name, rate in family.rates.items()},
        "n": family.n,
    }
