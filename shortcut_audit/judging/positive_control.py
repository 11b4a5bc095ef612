"""Would an effect have been found if there were one?

A known effect is planted in the control's outcomes, and judged like any other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shortcut_audit.judging.samples import Outcomes

TIMES_LIMIT = 2  # at least so large is the planted effect


def planted(control: np.ndarray, effect: float) -> np.ndarray:
    """(n,) outcomes that a model with this effect would have beside the control's.

    control: (n,) finite, at most 1. Yes or no: the first misses become hits, as many as make the
    effect, rounded up. Numbers: each gains the same share of what it lacks to 1.

    Laws: no outcome falls or passes 1; the mean rises by the effect (by less than 1/n more for yes
    or no), or to 1 where the control leaves less room than that.
    """
    control = control.astype(float)
    room = np.max(control, initial=1.0) - control
    if np.isin(control, (0.0, 1.0)).all():
        hits, misses = control.copy(), np.flatnonzero(room)
        turned = int(np.ceil(min(effect, 1.0) * len(control) - 1e-9))
        hits[misses[:turned]] = 1.0
        return hits
    gained: np.ndarray = control + min(1.0, effect / max(float(room.mean()), 1e-12)) * room
    return gained


def with_effect(outcomes: Outcomes, effect: float) -> Outcomes:
    """The same images and control, had the decoy this effect, as far as the control leaves room.

    Where images come in groups, one group after the other turns. Where the control is of other
    images, those that show the decoy start from its quantiles.
    """
    values, control, groups = outcomes.values, outcomes.control, outcomes.design.groups
    if control is None:
        control = np.zeros_like(values)
    elif not outcomes.design.paired:
        places = (np.arange(len(values)) + 0.5) / len(values) * len(control)
        control = np.sort(control)[places.astype(int)]
        effect += outcomes.usual - float(control.mean())
    together = np.arange(len(values)) if groups is None else np.argsort(groups, kind="stable")
    turned = np.empty_like(values)
    turned[together] = planted(control[together], effect)
    return replace(outcomes, values=turned)
