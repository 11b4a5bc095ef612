"""What an audit function hands over: numbers per image, on decoyed images and under the control. It
decides nothing.
"""

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


@dataclass(frozen=True)
class Clean:
    """The same effect in other models: in sound references, or in all other models where the
    manifest names none.
    """

    references: tuple[float, ...] = ()
    rashomon: tuple[float, ...] = ()

    def against(self, measurement: Measurement) -> dict[str, Any]:
        """What judging compares with: other models, or effects under permuted labels where these
        are fewer than two.
        """
        compared = max(len(self.references), len(self.rashomon)) >= 2
        null = None if compared or measurement.null is None else measurement.null()
        return {"references": self.references, "rashomon": self.rashomon, "null": null}


class Audit:
    """What an audit function hands its numbers to. It decides nothing: the harness does,
    afterwards.
    """

    def __init__(self) -> None:
        self.measurements: list[Measurement] = []
        self.pointless = ""  # why the audit has nothing to say about this decoy

    def does_not_apply(self, reason: str) -> None:
        """Instead of a check: this decoy is not of the kind that the audit is about. Neither a pass
        nor a failure.
        """
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
                independent; called only where no
                reference models say what an innocent effect is.
            references: whether clean reference models say what an innocent effect is.
        """
        if not isinstance(limit, Limit):
            raise UsageError(f"audit.check needs a limit such as at_most(0.10), not {limit!r}")
        values = np.asarray(values)
        if control is not None:
            control = np.broadcast_to(np.asarray(control), values.shape)
        if values.ndim != 1:
            raise UsageError(
                f"audit.check needs one number per image, shape (n,), not an array of shape {values.shape}"
            )
        self.measurements.append(Measurement(values, control, limit, claim, null, references))
