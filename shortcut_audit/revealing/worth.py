"""What the search finds of shortcuts that are known: how much "nothing found" says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from shortcut_audit.files.sources import shipped_discovery
from shortcut_audit.reporting.wording import percent

UNKNOWN = "How much this search would have found was not measured for this version."
PICTURES = {"recall": "drawings", "recall_photos": "photographs"}


def worth() -> list[str]:
    """Sentences with the figures that this version ships; one that says so where it ships none."""
    path = shipped_discovery()
    if path is None:
        return [UNKNOWN]
    return list(_said(json.loads(path.read_text(encoding="utf-8")))) or [UNKNOWN]


def _said(measured: Mapping[str, Any]) -> Iterator[str]:
    for key, pictures in PICTURES.items():
        rates = measured.get(key) or {}
        found = []
        for coverage, rate in sorted(rates.items(), key=lambda each: -float(each[0])):
            hits, of = (measured.get("models_learned", {}).get(pictures) or {}).get(
                coverage, ("", "")
            )
            counted = f" ({hits} of {of} models)" if of else ""
            found.append(
                f"{percent(rate)}{counted} of those on {percent(float(coverage))} of their class"
            )
        if found:
            yield (
                f"Of known shortcuts in {pictures} that models had learned, this search and its "
                f"confirmation found {', '.join(found)}."
            )
    if measured.get("clean_runs"):
        yield (
            f"In {measured['clean_runs']} searches of models without any, "
            f"{measured.get('false_confirmed', 0)} confirmed something."
        )
