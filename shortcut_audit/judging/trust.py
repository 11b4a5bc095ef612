"""Does the explainer itself work on this model? Where not, what its masks say does not count."""

from __future__ import annotations

import numpy as np

from shortcut_audit.judging.comparison import Comparison
from shortcut_audit.judging.samples import Design
from shortcut_audit.judging.verdicts import judge
from shortcut_audit.measures.masks import fills_picture, highlights
from shortcut_audit.observations import ExplainerCheck
from shortcut_audit.records import Limit, Verdict


def misses(check: ExplainerCheck) -> np.ndarray:
    """(n,) 1 where the mask misses the decoy in a planted model that sees nothing else, else 0.

    NaN where that copy of the model does not answer by the decoy.
    """
    return np.where(check.known, ~highlights(check.planted, check.footprint), np.nan)


def habits(check: ExplainerCheck) -> np.ndarray:
    """(n,) bool: the mask highlights the decoy in a model that has learned nothing."""
    return highlights(check.randomised, check.footprint)


def distrusted(check: ExplainerCheck, limit: Limit) -> str:
    """Why the explainer is not to be trusted on this model, in words; empty where it may be.

    It must be shown to find the decoy in a model that sees nothing else: an explainer that misses
    it there would miss it everywhere. It must not be shown to find the decoy in a model with random
    weights: it would find it in every model. A decoy that fills the picture shows neither.
    """
    if fills_picture(check.footprint):
        return "it cannot be checked with a decoy that fills the picture"
    inside, design = Comparison(limit.value), Design(check.groups)
    missed = judge(misses(check), None, inside, design)
    if missed.verdict is not Verdict.HOLDS:
        seen, n = int(check.known.sum()), len(check.known)
        if not seen:
            return "no copy of this model could be made that sees nothing but the decoy"
        if judge(0 * misses(check), None, inside, design).verdict is not Verdict.HOLDS:
            copied = "the copy of this model that was to see nothing but the decoy"
            return f"{copied} is right about {seen} of {n} images, too few to tell"
        return (
            f"it misses the decoy in {missed.observed:.0%} of the images in a copy of the model "
            "that sees nothing else"
        )
    found = judge(habits(check), None, inside, design)
    if found.verdict is Verdict.VIOLATED:
        return (
            f"it finds the decoy in {found.observed:.0%} of the images in copies of the model "
            "with random weights"
        )
    return ""
