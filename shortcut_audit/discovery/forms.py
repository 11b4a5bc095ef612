"""A pasted decoy -> its forms, and the faintest of them that does something: hypothesis searches.

A form is drawn as whole numbers, each with the plainest first: its dose, then the number of copies,
their opacity, how they are turned, and where they are. Hypothesis makes the first of them as small
as it can, then the next: so it shrinks towards the faintest dose, and of that to the plainest form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from itertools import count
from math import inf, sqrt
from pathlib import Path

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, configuration
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from shortcut_audit.subjects.decoying.laid import Laid
from shortcut_audit.subjects.decoying.pasting import CORNERS, Pasted

Draws = tuple[int, ...]

# Hypothesis draws whole numbers below 100 without regard to the modules that happen to be loaded,
# so that every process draws the same.
LEVELS = 24  # of dose, three for each doubling
COPIES = (1, 2, 3, 4)
OPACITIES = (1.0, 0.8, 0.6, 0.4, 0.2)
ROTATIONS = (0, 15, -15, 30, -30, 45, -45, 90, -90, 180)  # degrees
STEPS = 8  # of a place, in each direction
EXAMPLES = 200  # drawn by hypothesis before nothing, or nothing fainter, is said to do it


@dataclass(frozen=True)
class Forms:
    """The forms of a decoy on pictures of one size, none of them of a larger dose than `strongest`,
    but for whole pixels.
    """

    named: Pasted  # as the scenario has it
    strongest: Pasted  # the strongest strength of it that the scenario asks about
    side: int  # the shorter side of the pictures, pixels

    def laid(self, draws: Draws) -> Laid:
        """The form that these numbers stand for; some stand for the same one.

        Law: with all others alike, a smaller first number is no larger a dose.
        """
        level, copies, opacity, rotation, *places = draws
        dose = self.strongest.opacity * self.strongest.size**2 / 2 ** ((LEVELS - 1 - level) / 3)
        number, faint = COPIES[copies], OPACITIES[opacity]
        size = min(sqrt(dose / (faint * number)), self.strongest.size)
        size = max(1, round(size * self.side)) / self.side  # of whole pixels
        down, right = (_near(home) for home in self._home())
        at = [(down[one], right[two]) for one, two in zip(places[::2], places[1::2], strict=True)]
        copy = replace(self.named, size=size, opacity=faint)
        return Laid(copy, ROTATIONS[rotation], tuple(at[:number]))

    def _home(self) -> tuple[float, float]:
        """Where the decoy is at home: in the corner that the scenario names, else in the middle."""
        down, right = CORNERS.get(self.named.placement, (0.5, 0.5))
        return float(down), float(right)


def _near(home: float) -> tuple[float, ...]:
    """The steps of a place, the nearest to `home` first."""
    steps = np.arange(STEPS + 1) / STEPS
    return tuple(sorted(steps.tolist(), key=lambda share: abs(share - home)))


def faintest(
    forms: Forms, does: Callable[[Laid], bool], folder: Path, key: str
) -> tuple[Draws | None, int]:
    """The faintest form that does it, as its numbers, and how many forms were asked about.

    First among the plainest, one opaque copy at home, and then among all fainter ones.

    Laws: the form does it; the same each time and in every process; none of EXAMPLES draws among
    all fainter forms does it.

    Args:
        forms: of the decoy.
        does: whether a form does it. It is asked once about each.
        folder: where hypothesis keeps its examples. One that is kept there under the same key is
            tried first.
        key: what the search is about.
    """
    answers: dict[Laid, bool] = {}

    def turned_by(draws: Draws, most: float) -> bool:
        form = forms.laid(draws)
        if form.dose < most and form not in answers:
            answers[form] = does(form)
        return form.dose < most and answers[form]

    found, levels, dose = None, LEVELS, inf
    with _at_home(folder):
        for turn in count():
            open_ones = drawn(levels, plain=turn == 0)
            kept = folder / "examples" / sha256(f"{key}/{turn}".encode()).hexdigest()
            # shrinking ends where no single change helps: ask again for anything fainter
            fainter = _minimal(open_ones, partial(turned_by, most=dose), kept)
            if fainter is not None:
                found, levels, dose = fainter, fainter[0], forms.laid(fainter).dose
            if not levels or (turn and fainter is None):
                break
    return found, len(answers)


def drawn(levels: int, plain: bool = False) -> st.SearchStrategy[Draws]:
    """Numbers of forms at the so many faintest levels of dose, half of them at the largest.

    plain: only of one opaque copy at home that is not turned.
    """
    if plain:
        return st.tuples(st.integers(0, levels - 1), *[st.just(0)] * (3 + 2 * len(COPIES)))
    level = st.integers(0, 2 * (levels - 1)).map(lambda draw: min(draw, levels - 1))
    looks = [_often(len(each)) for each in (COPIES, OPACITIES, ROTATIONS)]
    return st.tuples(level, *looks, *[_often(STEPS + 1)] * (2 * len(COPIES)))


def _often(rungs: int) -> st.SearchStrategy[int]:
    """Numbers below `rungs`, of which 0 is drawn as often as all others together."""
    return st.integers(0, 2 * (rungs - 1)).map(lambda draw: max(0, draw - rungs + 1))


def _minimal(
    draws: st.SearchStrategy[Draws], does: Callable[[Draws], bool], kept: Path
) -> Draws | None:
    """Numbers for which it is true, shrunk; None where hypothesis finds none.

    kept: the folder of its examples, those of other searches excluded.
    """
    found: list[Draws] = []

    # `derandomize`, which is also CI's own profile, and `hypothesis.find` with a seed keep no
    # examples: so the seed comes first, and the database after it
    @hypothesis.settings(
        derandomize=False,
        database=DirectoryBasedExampleDatabase(kept),
        max_examples=EXAMPLES,
        deadline=None,
        phases=(Phase.reuse, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @hypothesis.seed(0)
    @hypothesis.given(draws)
    def none_does(asked: Draws) -> None:
        if does(asked):
            found[:] = [asked]
            raise _FoundError

    try:
        none_does()
    except _FoundError:
        return found[0]  # the last that hypothesis shows is its smallest
    return None


class _FoundError(Exception):
    """Tells hypothesis that a form does it."""


@contextmanager
def _at_home(folder: Path) -> Iterator[None]:
    """Has hypothesis keep everything in this folder meanwhile, and not in the working directory."""
    before = configuration.storage_directory(intent_to_write=False).home_directory
    configuration.set_hypothesis_home_dir(folder)
    try:
        yield
    finally:
        configuration.set_hypothesis_home_dir(before)
