"""Families <-> arrays, as the store keeps them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from shortcut_audit.discovery.families.family import Family, Rate
from shortcut_audit.files.store import Arrays


def as_arrays(families: Sequence[Family]) -> Arrays:
    """Law: `from_arrays` gives the same families back."""
    rows, arrays = [], {}
    for i, family in enumerate(families):
        rows.append(asdict(replace(family, rgba=None)))
        if family.rgba is not None:
            arrays[f"rgba{i}"] = family.rgba
    said = json.dumps(rows).encode()
    return {"families": np.frombuffer(said, np.uint8), **arrays}


def from_arrays(arrays: Arrays) -> tuple[Family, ...]:
    """The families that `as_arrays` was given."""
    found = []
    for i, row in enumerate(json.loads(arrays["families"].tobytes())):
        rates = {name: Rate(**rate) for name, rate in row.pop("rates").items()}
        for name in ("proposers", "sources", "corner"):
            row[name] = None if row[name] is None else tuple(row[name])
        row["rgba"] = arrays.get(f"rgba{i}")
        found.append(Family(**row, rates=rates))
    return tuple(found)
