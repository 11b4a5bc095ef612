"""What goes into a network and what comes out of it, where it is not a square RGB picture and one
logit for each class.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Answers = Literal["softmax", "sigmoid", "labels"]

_WRITTEN = re.compile(r"(\d+)(?:x(\d+))?(?:,resize=(\d+))?(,squash)?(?:,(\w+))?")


class InputSize(int):
    """The longer side of a network's input in pixels, and how a picture is brought to that size.

    A picture is scaled so that its shorter side is `resize` and then cropped at its centre to
    `height` x `width`. With `squash` it is scaled to the shape of these, whatever becomes of its
    own, so that the longer side is `resize`; where that is no more than they are, nothing is lost.
    Wherever a plain int stands for a size, the input is square, `resize` is its side and the
    interpolation bilinear. Laws: equal to that int where it says no more; `parse(str(size))` is
    `size`.
    """

    height: int
    width: int
    resize: int
    squash: bool
    interpolation: Interpolation

    def __new__(
        cls,
        height: int,
        width: int | None = None,
        resize: int | None = None,
        squash: bool = False,
        interpolation: Interpolation = "bilinear",
    ) -> InputSize:
        """Sides in pixels; `resize` is at least the longer side (None: just the longer side)."""
        width = height if width is None else width
        size = super().__new__(cls, max(height, width))
        size.height, size.width, size.squash = height, width, squash
        size.resize = resize or max(height, width)
        size.interpolation = interpolation
        return size

    @classmethod
    def of(cls, size: int) -> InputSize:
        """The size itself, or what a plain int stands for."""
        return size if isinstance(size, cls) else cls(size)

    @classmethod
    def parse(cls, text: str) -> InputSize:
        """The size that `str` has written so; raises ValueError for any other text."""
        found = _WRITTEN.fullmatch(text)
        if found is None or found[5] not in (None, *get_args(Interpolation)):
            raise ValueError(f"'{text}' is no input size")
        height, width, resize, squash, interpolation = found.groups()
        size = cls(
            int(height),
            int(width or height),
            int(resize) if resize else None,
            bool(squash),
            interpolation or "bilinear",  # type: ignore[arg-type]
        )
        if min(size.height, size.width) < 1:
            raise ValueError(f"'{text}' is no input size")
        return size

    @property
    def plain(self) -> bool:
        """Whether an int says all of it."""
        return self._framing == (int(self), int(self), int(self), False, "bilinear")

    @property
    def _framing(self) -> tuple[int, int, int, bool, str]:
        return self.height, self.width, self.resize, self.squash, self.interpolation

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int) and not isinstance(other, bool):
            return self._framing == InputSize.of(other)._framing
        return NotImplemented

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(int(self)) if self.plain else hash(self._framing)

    def __str__(self) -> str:
        said = str(self.height) if self.height == self.width else f"{self.height}x{self.width}"
        if self.resize != int(self):
            said += f",resize={self.resize}"
        if self.squash:
            said += ",squash"
        return said if self.interpolation == "bilinear" else f"{said},{self.interpolation}"

    __repr__ = __str__

    def __format__(self, how: str) -> str:
        return format(int(self), how) if how else str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return InputSize, self._framing


@dataclass(frozen=True)
class Head:
    """What a network's outputs mean.

    softmax: one logit for each class, and the highest is the answer. sigmoid: one logit, which is
    that of the second of two classes against the first. labels: one logit for each label, each a
    yes or no of its own.

    thresholds: a probability for each label, or the one of the second of two classes; a label or
        that class is the answer where its probability is above. Empty: 0.5.
    temperatures: logits are divided by them; one for all, or one for each class. Empty: 1.
    output: the key, attribute or place of the logits among several outputs; None: `logits`, `out`
        or the only tensor of as many columns as there are outputs.
    probabilities: whether the network gives probabilities in place of logits.
    """

    answers: Answers = "softmax"
    thresholds: tuple[float, ...] = ()
    temperatures: tuple[float, ...] = ()
    output: str | int | None = None
    probabilities: bool = False

    def outputs(self, classes: int) -> int:
        """How many outputs a network with this head has for so many classes."""
        return 1 if self.answers == "sigmoid" else classes

    def shifts(self) -> tuple[float, ...]:
        """The log-odds of each threshold; what a logit must exceed."""
        return tuple(math.log(each / (1 - each)) for each in self.thresholds)


SOFTMAX = Head()  # what nearly every classifier has
