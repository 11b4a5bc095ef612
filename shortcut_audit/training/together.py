"""Several models at once: a process for each, of one thread. Small networks leave a second thread
little to do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from shortcut_audit.processors import shared_out
from shortcut_audit.scenario import Scenario
from shortcut_audit.training.plan import plan
from shortcut_audit.training.train import (
    announced,
    finished,
    order_of,
    train,
    train_jobs,
    train_orders,
    workshop,
    worn,
)


def train_together(
    scenario: Scenario,
    out: Path,
    processes: int,
    progress: bool = True,
    only: Collection[str] | None = None,
    trust_code: bool = False,
) -> None:
    """As `train`, with so many models at a time; each process holds the training pictures. One is
    `train` itself.

    Law: with two or more a model's weights are those that `train` gives it with one thread.

    Raises:
        UsageError, DataError, ModelError: as `train`.
    """
    if processes == 1:
        train(scenario, out, progress, only, trust_code)
        return
    jobs = plan(scenario, only)
    shop = workshop(scenario, out, jobs, progress, trust_code)
    orders = [order_of(shop, job) for job in jobs]
    announced(shop, orders)
    left = [order.job.name for order in orders if not finished(order)]
    shares = [left[first::processes] for first in range(min(processes, len(left)))]
    for _ in shared_out(partial(_trained, scenario, out, progress, trust_code), shares, processes):
        pass
    train_jobs(replace(shop, progress=False), jobs)


def _trained(
    scenario: Scenario, out: Path, progress: bool, trust_code: bool, names: Sequence[str]
) -> None:
    """Trains these one after the other; the manifest is left to the process that asked."""
    jobs = plan(scenario, names)
    shop = replace(workshop(scenario, out, jobs, progress, trust_code), bar=False)
    for _ in train_orders(shop, [order_of(shop, job) for job in jobs], partial(worn, shop)):
        pass
