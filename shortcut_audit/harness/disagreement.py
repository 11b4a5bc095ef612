"""Kept logits -> how far the members of the Rashomon set disagree, on plain and decoyed images and
under the control.

More on decoyed images than under the control: decoy and clean models live in one set. None, where
they all turn: all share it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.special import softmax

from shortcut_audit.errors import ModelError, UsageError
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.measures.disagreement import (
    ambiguity,
    discrepancy,
    rashomon_capacity,
    viable_prediction_range,
)
from shortcut_audit.observations import Predictions
from shortcut_audit.records import ACCURACY, Finding, Verdict
from shortcut_audit.showing.kept import Kept, NotKept

CONDITIONS = ("plain", "decoyed", "control")
TOLERANCE = 0.01  # bits of capacity


def multiplicity(evidence: Evidence, findings: Sequence[Finding]) -> dict[str, Any]:
    """decoy -> its members, the number of images, and four figures under each condition.

    Nothing for fewer than two members. From what the run has kept: no network is asked. Images: the
    validation images of the classes that the decoy does not stand for. Baseline of ambiguity and
    discrepancy: the member that is most accurate on plain images.
    """
    found, kept = {}, Kept(evidence)
    compared = any(finding.role == ACCURACY for finding in findings)
    for decoy in kept.scenario.decoys:
        named = members(findings, list(kept.candidates))
        known = dict(_known(kept, decoy, named))
        if len(known) > 1:
            target = kept.target(decoy, list(known))
            about = [kept.about(name, decoy, target) for name in known]
            index = kept.named_decoy(next(iter(known)), decoy, target).target_index
            figures = _figures(about, index)
            found[decoy] = {"members": list(known), "compared": compared, **figures}
    return found


def members(findings: Sequence[Finding], names: Sequence[str]) -> list[str]:
    """Those that are shown to be as accurate as the best; all, where nobody asked."""
    asked = [finding for finding in findings if finding.role == ACCURACY]
    held = {finding.subjects[0] for finding in asked if finding.verdict is Verdict.HOLDS}
    return [name for name in names if name in held or not asked]


def _known(kept: Kept, decoy: str, names: Sequence[str]) -> Iterator[tuple[str, Predictions]]:
    """The members that were asked, of those whose answers are of the first one's kind."""
    kinds = {name: kept.candidates[name].head.answers for name in names}
    for name in names:
        if kinds[name] != kinds[names[0]]:
            continue
        try:
            plain = kept.material.pictures("validation", kept.described(name).size).pixels
            kept.logits(name, plain)  # no picture gets the decoy where not even these are
            yield name, kept.predictions(name, decoy)
        except (ModelError, UsageError, NotKept):
            continue  # said in its own findings, or not asked


def _figures(known: Sequence[Predictions], target: int) -> dict[str, Any]:
    others = known[0].labels != target  # (n,)
    best = int(np.argmax([np.mean(each.plain.argmax(1) == each.labels) for each in known]))
    found: dict[str, Any] = {"images": int(others.sum())}
    for condition in CONDITIONS if others.any() else ():
        logits = np.stack([getattr(each, condition)[others] for each in known])  # (m, n, k)
        found[condition] = _of(logits, best, target)
    return found


def _of(logits: np.ndarray, baseline: int, target: int) -> dict[str, float]:
    """Four figures of (m, n, k) logits.

    Two shares, the mean width of the target's probability range, and mean bits.
    """
    probabilities, labels = softmax(logits.astype(float), axis=2), logits.argmax(2)
    low, high = viable_prediction_range(probabilities)
    return {
        "ambiguity": round(ambiguity(labels, baseline), 4),
        "discrepancy": round(discrepancy(labels, baseline), 4),
        "viable_prediction_range": round(float((high - low)[:, target].mean()), 4),
        "rashomon_capacity": round(float(rashomon_capacity(probabilities, TOLERANCE).mean()), 4),
    }
