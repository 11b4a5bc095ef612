"""What an audit function hands over: numbers per image, with the decoy and without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from shortcut_audit.errors import UsageError
from shortcut_audit.judging import Comparison, Design, judge, p_value, without_groups
from shortcut_audit.judging.samples import INDEPENDENT, Outcomes, outcomes_of
from shortcut_audit.records import Judgement, Limit

COMPARED = "{model} shows {observed} on pictures with {decoy}, {control} on those without"


@dataclass(frozen=True)
class Measurement:
    """One call of `audit.check`: a number per image, on decoyed images and under the control.

    Or of `audit.compare`, where the control is of m other images.
    """

    values: np.ndarray  # (n,) bool or float
    control: np.ndarray | None  # (n,), or (m,)
    limit: Limit
    claim: str
    null: Callable[[], np.ndarray] | None  # makes (draws,) effects under permuted labels
    references: bool
    # which images come from one group, and whether the control is of others
    design: Design = INDEPENDENT

    @property
    def outcomes(self) -> Outcomes:
        """The numbers of the images for which they are defined."""
        return outcomes_of(self.values, self.control, self.design)

    @property
    def effect(self) -> float:
        """Mean over the images where both are defined; NaN if there are none."""
        known = self.outcomes
        return float("nan") if known.empty else known.effect

    def judged(self, comparison: Comparison, groups: frozenset[int]) -> Judgement:
        """The judgement; UNDECIDED where pictures are of `groups` and the audit does not say so."""
        judgement = judge(self.values, self.control, comparison, self.design)
        return without_groups(judgement) if self._unsaid(groups) else judgement

    def p(self, comparison: Comparison, groups: frozenset[int]) -> float:
        """The raw p, as `p_value` has it; 1 where groups are not said."""
        if self._unsaid(groups):
            return 1.0
        return p_value(self.values, self.control, comparison, self.design)

    def _unsaid(self, groups: frozenset[int]) -> bool:
        """Whether the pictures are of groups, and the audit names none, or some that there are not.

        Pictures that are numbered one by one are no groups: each would count on its own.
        """
        own = [each for each in (self.design.groups, self.design.other_groups) if each is not None]
        return bool(groups) and (not own or not groups.issuperset(np.concatenate(own).tolist()))


class Audit:
    """What an audit function hands its numbers to. The harness decides, afterwards."""

    def __init__(self) -> None:
        self.measurements: list[Measurement] = []
        self.pointless = ""  # why the audit has nothing to say about this decoy

    def does_not_apply(self, reason: str) -> None:
        """Instead of a check: the audit is not about decoys of this kind. No pass, no failure."""
        self.pointless = reason

    def check(
        self,
        values: Any,
        control: Any = None,
        limit: Limit | None = None,
        *,
        groups: Any = None,
        claim: str = "",
        null: Callable[[], np.ndarray] | None = None,
        references: bool = True,
    ) -> None:
        """The mean of `values` less that of `control` must be shown to be inside the limit.

        Args:
            values: (n,) yes/no or number for each source image; NaN where it is undefined.
            control: (n,) the same for the same images under the neutral control, or one number
                to compare with, or None.
            limit: `at_most(0.10)`.
            groups: (n,) ints, which images come from one patient, site or video, or None.
            claim: a sentence with {model}, {decoy}, {target}, {observed}, {control}, {effect}
                to fill in.
            null: makes (draws,) effects under permuted labels, where images are not
                independent; called only where no reference models say what an innocent effect is.
            references: whether clean reference models say what an innocent effect is.

        Raises:
            UsageError: the limit is none, or the values or groups are not (n,).
        """
        limit, values = _limit(limit, "check"), _per_image(values, "check")
        if control is not None:
            control = np.broadcast_to(np.asarray(control), values.shape)
        design = Design(_array(groups))
        self._take(Measurement(values, control, limit, claim, null, references, design))

    def compare(
        self,
        shown: Any,
        not_shown: Any,
        limit: Limit | None = None,
        *,
        groups: Any = None,
        other_groups: Any = None,
        claim: str = COMPARED,
        references: bool = True,
    ) -> None:
        """The mean of `shown` less that of `not_shown` must be shown to be inside the limit.

        It is for decoys that are really there: some images show one, and others do not.

        Args:
            shown: (n,) yes/no or number for each image that shows it; NaN where it is undefined.
            not_shown: (m,) the same for other images, which do not.
            limit: `at_most(0.10)`.
            groups, other_groups: (n,) and (m,) ints, which images come from one patient, site or
                video; one group may have images on both sides. Both or neither.
            claim, references: as in `check`.

        Raises:
            UsageError: the limit is none, or values and groups do not fit.
        """
        limit, shown = _limit(limit, "compare"), _per_image(shown, "compare")
        others = _per_image(not_shown, "compare")
        design = Design(_array(groups), paired=False, other_groups=_array(other_groups))
        self._take(Measurement(shown, others, limit, claim, None, references, design))

    def _take(self, measurement: Measurement) -> None:
        _ = measurement.outcomes  # what does not fit is said here, where it is handed over
        self.measurements.append(measurement)


def _limit(limit: Limit | None, asked: str) -> Limit:
    if not isinstance(limit, Limit):
        raise UsageError(f"audit.{asked} needs a limit such as at_most(0.10), not {limit!r}")
    return limit


def _per_image(values: Any, asked: str) -> np.ndarray:
    found = np.asarray(values)
    if found.ndim != 1:
        raise UsageError(
            f"audit.{asked} needs one number per image, shape (n,), "
            f"not an array of shape {found.shape}"
        )
    return found


def _array(groups: Any) -> np.ndarray | None:
    return None if groups is None else np.asarray(groups)
