"""How a computation uses the processors.

Threads wait asleep, and work is shared out over processes of one thread each.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


def wait_asleep() -> None:
    """Asks OpenMP to let waiting threads sleep, unless the user has said how they shall wait.

    By default they spin, and so take the time of a core on which another process could work. The
    request counts only if torch is not imported yet: OpenMP reads it when it is loaded.
    """
    if "GOMP_SPINCOUNT" not in os.environ:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def shared_out(
    work: Callable[[Item], Done], items: Sequence[Item], processes: int, what: str = ""
) -> Iterator[Done]:
    """Each item's result as it comes, from so many processes of one thread each.

    One process is this one, with all its threads. A bar named `what` shows the time left. Where
    the caller is stopped, the items that still wait are dropped.
    """
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    from tqdm import tqdm

    bar = tqdm(
        total=len(items),
        desc=what,
        disable=not (what and items),
        dynamic_ncols=True,
        mininterval=0.1 if sys.stderr.isatty() else 15,  # seconds between two lines
    )
    with bar:
        if processes == 1:
            for item in items:
                yield work(item)
                bar.update()
            return
        pool = ProcessPoolExecutor(
            processes, mp_context=get_context("spawn"), initializer=_with_one_thread
        )
        try:
            for done in as_completed([pool.submit(work, item) for item in items]):
                yield done.result()
                bar.update()
        finally:
            pool.shutdown(cancel_futures=True)


def _with_one_thread() -> None:
    import torch

    torch.set_num_threads(1)
