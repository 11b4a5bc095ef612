"""What an audit function hands over: numbers per image, decoyed and under the control."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from shortcut_audit.errors import UsageError
from shortcut_audit.records import Limit


@dataclass(frozen=True)
class Measurement:
    """One call of `audit.check`: a number per image, on decoyed images and under the control."""

    values: np.ndarray  # (n,) bool or float
    control: np.ndarray | None  # (n,)
    limit: Limit
    claim: str
    null: Callable[[], np.ndarray] | None  # makes (draws,) effects under permuted labels
    references: bool

    @property
    def effect(self) -> float:
        """Mean over the images where both are defined; NaN if there are none."""
        difference = self.values - 0.0 if self.control is None else self.values - 1.0 * self.control
        kept = difference[~np.isnan(difference)]
        return float(kept.mean()) if len(kept) else float("nan")


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
            claim: a sentence with {model}, {decoy}, {target}, {observed}, {control}, {effect}
                to fill in.
            null: makes (draws,) effects under permuted labels, where images are not
                independent; called only where no reference models say what an innocent effect is.
            references: whether clean reference models say what an innocent effect is.

        Raises:
            UsageError: the limit is none, or the values are not (n,).
        """
        if not isinstance(limit, Limit):
            raise UsageError(f"audit.check needs a limit such as at_most(0.10), not {limit!r}")
        values = np.asarray(values)
        if control is not None:
            control = np.broadcast_to(np.asarray(control), values.shape)
        if values.ndim != 1:
            raise UsageError(
                "audit.check needs one number per image, shape (n,), "
                f"not an array of shape {values.shape}"
            )
        measurement = Measurement(values, control, limit, claim, null, references)
        self.measurements.append(measurement)
