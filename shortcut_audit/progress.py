"""How far long work is, in words with the time left.

`shown_as_lines` is for one piece of work: what, done, total -> a line. A run of audits asks for
many pieces, in one process or in several. It tells a `Listener`::

    Watch, around each piece of work -> Ahead: counts, and knows the time left
                                     -> Notes: a file -> heard, by the process that shows it

A piece of work is a `Unit`: one kind of evidence about one model and one decoy.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, Protocol

OFTEN = 0.2  # seconds between two lines
MINUTE = 60.0

Progress = Callable[[str, int, int], None]


def shown_as_lines(show: Callable[[str], None]) -> Progress:
    """A callback for long work; `show` gets a line such as `masks of F0: 12/60, 4 s left`.

    At most five lines come in a second.
    """
    started: dict[str, float] = {}
    last = 0.0

    def tell(what: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done == 0:
            started[what] = now
        begun = started.setdefault(what, now)
        if now - last < OFTEN:
            return
        last = now
        left = f", {(now - begun) * (total - done) / done:.0f} s left" if done else ""
        show(f"{what}: {done}/{total}{left}")

    return tell


class Unit(NamedTuple):
    """A piece of work: one kind of evidence about one model (or pair) and one decoy."""

    kind: str  # such as "masks"
    model: str = ""
    decoy: str = ""
    version: str = ""  # of the decoy: another strength, or another control


class Listener(Protocol):
    """Hears what is to be done, what is being done and what was."""

    def planned(self, units: Collection[Unit]) -> None:
        """These will be asked for."""

    def at(self, unit: Unit, done: int, total: int) -> None:
        """The work on it is so far."""

    def ended(self, unit: Unit, seconds: float, computed: bool) -> None:
        """It took so long, without other units within it; not computed: it was kept."""


class Watch:
    """Times the units of one process, and tells a listener.

    Laws: each unit ends once; what a listener raises never reaches the work.
    """

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self._known: set[Unit] = set()
        self._open: list[_Open] = []

    @contextmanager
    def over(self, unit: Unit) -> Iterator[None]:
        """Around the work on a unit. Units may lie within each other."""
        if unit in self._known:
            yield
            return
        self._known.add(unit)
        own, begun = _Open(unit), time.monotonic()
        self._open.append(own)
        with suppress(Exception):
            self.listener.at(unit, 0, 1)
        try:
            yield
        finally:
            self._open.pop()
            whole = time.monotonic() - begun
            if self._open:
                self._open[-1].within += whole
            with suppress(Exception):
                self.listener.ended(unit, whole - own.within, own.computed)

    def at(self, what: str, done: int, total: int) -> None:
        """A `Progress`: what is computed now belongs to the innermost unit, if there is one."""
        if self._open:
            self._open[-1].computed = True
        with suppress(Exception):
            self.listener.at(self._open[-1].unit if self._open else Unit(what), done, total)


@dataclass
class _Open:
    """A unit that is being worked on."""

    unit: Unit
    within: float = 0.0  # seconds of the units within it
    computed: bool = False


class Ahead:
    """What is to be done, what was, and how long the rest will take. A `Listener`.

    Args:
        processes: how many work at the same time.
        changed: is called after each thing that was told.
    """

    def __init__(self, processes: int = 1, changed: Callable[[], None] = lambda: None) -> None:
        self.processes, self.changed = processes, changed
        self._planned: dict[str, set[Unit]] = defaultdict(set)
        self._ended: dict[str, set[Unit]] = defaultdict(set)
        self._took: dict[str, list[float]] = defaultdict(list)  # seconds of the computed ones
        self._seconds: dict[str, float] = defaultdict(float)  # of all
        self._words = ""

    def planned(self, units: Collection[Unit]) -> None:
        """What several processes plan counts once."""
        for unit in units:
            self._planned[unit.kind].add(unit)
        self.changed()

    def at(self, unit: Unit, done: int, total: int) -> None:
        """What nobody has planned is planned now."""
        share, counted = f"{100 * done / max(total, 1):.0f} %", ""
        if unit.model:
            self._planned[unit.kind].add(unit)
            now = min(len(self._ended[unit.kind]) + 1, len(self._planned[unit.kind]))
            counted = f" {now} of {len(self._planned[unit.kind])}: {unit.model} with {unit.decoy}"
        self._words = f"{_said(unit.kind)}{counted}, {share}"
        self.changed()

    def ended(self, unit: Unit, seconds: float, computed: bool) -> None:
        """A unit that two processes asked for is one, and the time of both counts."""
        self._ended[unit.kind].add(unit)
        self._seconds[unit.kind] += seconds
        if computed:
            self._took[unit.kind].append(seconds)
        self.changed()

    def left(self) -> tuple[float, bool] | None:
        """Seconds, and whether they are for every kind of the plan; None: nothing was timed yet.

        A unit is taken to need the median of those of its kind that were computed, and nothing
        where all were kept.
        """
        if not any(self._took.values()):
            return None
        seconds, whole = 0.0, True
        for kind, units in self._planned.items():
            rest = len(units - self._ended[kind])
            whole = whole and not (rest and not self._ended[kind])
            seconds += rest * median(self._took[kind] or [0.0])
        return seconds / self.processes, whole

    def text(self) -> str:
        """`about 2 min left; masks 5 of 16: F25 with stop_sign, 40 %`; "" before the first.

        `over 2 min` where not every kind was timed yet; nothing where that is no news.
        """
        seconds, whole = self.left() or (0.0, False)
        if not whole and seconds < MINUTE:
            return self._words
        return f"{'about' if whole else 'over'} {span(seconds)} left; {self._words}"

    def took(self) -> str:
        """`predictions 12 s, masks 3 min`: what each kind cost in all processes together."""
        return ", ".join(f"{_said(kind)} {span(each)}" for kind, each in self._seconds.items())


def _said(kind: str) -> str:
    return kind.replace("_", " ")


def span(seconds: float) -> str:
    """`8 s`, `3 min`, `2 h 5 min`."""
    if round(seconds) < MINUTE:
        return f"{seconds:.0f} s"
    minutes = round(seconds / MINUTE)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Notes:
    """A `Listener` that writes down what it hears, for another process: a line of JSON each.

    How far one unit is it writes down once in a second at most. The file and its folder are made
    for the first line; where they cannot be, nobody is told.
    """

    def __init__(self, file: Path) -> None:
        self.file, self._last = file, 0.0

    def planned(self, units: Collection[Unit]) -> None:
        """One line for all of them."""
        self._write("planned", list(units))

    def at(self, unit: Unit, done: int, total: int) -> None:
        """Only what comes a second after the last."""
        if time.monotonic() - self._last >= 1:
            self._last = time.monotonic()
            self._write("at", unit, done, total)

    def ended(self, unit: Unit, seconds: float, computed: bool) -> None:
        """Each one."""
        self._write("ended", unit, seconds, computed)

    def _write(self, *said: object) -> None:
        with suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a", encoding="utf-8") as notes:
                notes.write(json.dumps(said) + "\n")


def heard(file: Path, start: int, listener: Listener) -> int:
    """Tells the listener what another process wrote from this byte on; returns where to go on.

    A line that is not finished is left for the next time; one that was torn is passed over, and so
    is what the listener raises.
    """
    try:
        with file.open("rb") as notes:
            notes.seek(start)
            whole = notes.read()
    except OSError:
        return start
    whole = whole[: whole.rfind(b"\n") + 1]
    for line in whole.splitlines():
        with suppress(Exception):
            _tell(listener, *json.loads(line))
    return start + len(whole)


def _tell(listener: Listener, name: str, about: Sequence[Any], *rest: Any) -> None:
    if name == "planned":
        listener.planned([Unit(*each) for each in about])
    else:
        getattr(listener, name)(Unit(*about), *rest)
