"""How the threads of a computation wait for each other: asleep, so that a busy machine is not made busier."""

from __future__ import annotations

import os


def wait_asleep() -> None:
    """Asks OpenMP to let waiting threads sleep, unless the user has said how they shall wait.

    By default they spin. Where another process has the other core that burns the time in which the work could be done. It
    counts only if torch is not imported yet: OpenMP reads it when it is loaded.
    """
    if "GOMP_SPINCOUNT" not in os.environ:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
