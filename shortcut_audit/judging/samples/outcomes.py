"""One number per image, the control's beside it, and how the images hang together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from shortcut_audit.errors import UsageError
from shortcut_audit.judging.intervals import Interval


@dataclass(frozen=True)
class Design:
    """How images hang together.

    groups: (n,) which images come from one patient, site or video; None: each stands for itself.
    paired: whether the control is of the same images; else it is of m others, whose groups are
        `other_groups` (m,). A group may have images on both sides.
    """

    groups: np.ndarray | None = None
    paired: bool = True
    other_groups: np.ndarray | None = None


INDEPENDENT = Design()


@dataclass(frozen=True)
class Outcomes:
    """values (n,) finite, and control (n,), or (m,) where the design is not paired, or None."""

    values: np.ndarray
    control: np.ndarray | None
    design: Design = INDEPENDENT

    @property
    def images(self) -> int:
        """How many images they are of."""
        beside = self.control if self.control is not None and not self.design.paired else ()
        return len(self.values) + len(beside)

    @property
    def empty(self) -> bool:
        """Whether no image has an outcome, or none on one side."""
        return not len(self.values) or (self.control is not None and not len(self.control))

    @property
    def effect(self) -> float:
        """Mean value, less the control's where there is one."""
        if self.control is None or not self.design.paired:
            return float(self.values.mean()) - self.usual
        return float((self.values - self.control).mean())

    @property
    def usual(self) -> float:
        """Mean of the control; 0 where there is none."""
        return 0.0 if self.control is None else float(self.control.mean())

    @property
    def yes_no(self) -> bool:
        """Whether every outcome is 0 or 1."""
        every = self.values if self.control is None else np.append(self.values, self.control)
        return bool(np.isin(every, (0.0, 1.0)).all())

    @property
    def span(self) -> Interval:
        """The least and the largest effect that can be."""
        floor, ceiling = _range(self.values)
        if self.control is None:
            return floor, ceiling
        least, most = _range(self.control)
        return floor - most, ceiling - least

    @property
    def every_group(self) -> np.ndarray | None:
        """The group of each image, those of the other side behind; None where there are none."""
        groups, others = self.design.groups, self.design.other_groups
        return groups if groups is None or others is None else np.concatenate([groups, others])

    @property
    def clustered(self) -> bool:
        """Whether any group has more than one image."""
        every = self.every_group
        return every is not None and len(np.unique(every)) < len(every)


def _range(values: np.ndarray) -> Interval:
    """[0, 1] for shares, [-1, 1] for correlations and differences; wider where the values are."""
    low, high = float(values.min()), float(values.max())
    return (0.0 if low >= 0 else min(-1.0, low)), max(1.0, high)


def outcomes_of(values: np.ndarray, control: np.ndarray | None, design: Design) -> Outcomes:
    """Float copies without the images for which a number, or its pair, is not finite.

    Raises:
        UsageError: values, control and groups do not fit each other.
    """
    values = np.asarray(values, dtype=float)
    beside = None if control is None else np.asarray(control, dtype=float)
    _check(values, beside, design)
    kept = np.isfinite(values)
    if beside is None or not design.paired:
        others = None if beside is None else np.isfinite(beside)
        left = Design(_of(design.groups, kept), design.paired, _of(design.other_groups, others))
        return Outcomes(values[kept], _of(beside, others), left)
    kept &= np.isfinite(beside)
    return Outcomes(values[kept], beside[kept], replace(design, groups=_of(design.groups, kept)))


def _of(each: np.ndarray | None, kept: np.ndarray | None) -> np.ndarray | None:
    return None if each is None or kept is None else np.asarray(each)[kept]


def _check(values: np.ndarray, control: np.ndarray | None, design: Design) -> None:
    shape = None if control is None else control.shape
    if values.ndim != 1 or (shape is not None and design.paired and shape != values.shape):
        beside = "" if shape is None else f" and control of shape {shape}"
        raise UsageError(
            f"an audit hands over one number per image, and as many for the control, "
            f"not values of shape {values.shape}{beside}"
        )
    if not design.paired and (shape is None or len(shape) != 1):
        raise UsageError(
            "a comparison needs one number for each image that shows it and for each that does "
            f"not, not a control of shape {shape}"
        )
    if not design.paired and (design.groups is None) is not (design.other_groups is None):
        raise UsageError(
            "the groups of only one side are given: a comparison needs groups=... and "
            "other_groups=..., or neither"
        )
    _check_groups(design.groups, values.shape)
    _check_groups(design.other_groups, shape)


def _check_groups(groups: np.ndarray | None, shape: tuple[int, ...] | None) -> None:
    if groups is not None and np.shape(groups) != shape:
        raise UsageError(
            f"groups say for each image which group it is of: {shape} are needed, "
            f"not an array of shape {np.shape(groups)}"
        )
