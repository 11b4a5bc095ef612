"""How far long work is: what, done, total -> one line with the time left.

At most five lines come in a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable

OFTEN = 0.2  # seconds between two lines

Progress = Callable[[str, int, int], None]


def shown_as_lines(show: Callable[[str], None]) -> Progress:
    """A callback for long work; `show` gets a line such as `masks of F0: 12/60, 4 s left`."""
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
