"""Several models at once: a process for each, of one thread.

Small networks leave a second thread little to do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from shortcut_audit.processors import shared_out
from shortcut_audit.scenario import Scenario
from shortcut_audit.training.plan import plan
from shortcut_audit.training.preparation import is_finished, planned, prepared, training_pictures
from shortcut_audit.training.train import announce, train, train_jobs, train_models


def train_together(
    scenario: Scenario,
    out: Path,
    processes: int,
    progress: bool = True,
    only: Collection[str] | None = None,
    trust_code: bool = False,
) -> None:
    """As `train`, with so many models at a time; each process holds the training pictures.

    With one process it is `train` itself.
    Law: with two or more a model's weights are those that `train` gives it with one thread.

    Raises:
        UsageError, DataError, ModelError: as `train`.
    """
    if processes == 1:
        train(scenario, out, progress, only, trust_code)
        return
    jobs = plan(scenario, only)
    run = prepared(scenario, out, jobs, progress, trust_code)
    models = [planned(run, job) for job in jobs]
    announce(run, models)
    left = [model.job.name for model in models if not is_finished(model)]
    shares = [left[first::processes] for first in range(min(processes, len(left)))]
    for _ in shared_out(partial(_train, scenario, out, progress, trust_code), shares, processes):
        pass
    train_jobs(replace(run, progress=False), jobs)


def _train(
    scenario: Scenario, out: Path, progress: bool, trust_code: bool, names: Sequence[str]
) -> None:
    """Trains these one after the other; the manifest is left to the process that asked."""
    jobs = plan(scenario, names)
    run = replace(prepared(scenario, out, jobs, progress, trust_code), bar=False)
    models = [planned(run, job) for job in jobs]
    for _ in train_models(run, models, partial(training_pictures, run)):
        pass
