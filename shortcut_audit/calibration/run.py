"""Trains what is missing, audits what is missing, writes the page: `shortcut-audit calibrate`. It may be stopped at any time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import torch
from tqdm import tqdm

from shortcut_audit.calibration.behaviour import fresh
from shortcut_audit.calibration.figures import figures
from shortcut_audit.calibration.page import write
from shortcut_audit.calibration.population import Trial, recipe_of, settings, trained_by, trials
from shortcut_audit.calibration.trials import Bench, Outcome, as_line, audit_function, from_line
from shortcut_audit.scenario import Scenario, load_scenario
from shortcut_audit.training.plan import plan
from shortcut_audit.training.train import train

Item = TypeVar("Item")
Done = TypeVar("Done")


def calibrate(
    path: Path, out: Path, suite: Path = Path("audits"), workers: int = 1, progress: bool = True, data: Path | None = None
) -> Path:
    """Writes `calibration.md` and `calibration.json` to `out`, beside the models, the evidence and `outcomes.jsonl`.

    What is there already is kept: finished models, their evidence, and each outcome whose models, data, limits, audits and
    judging are still the same. Stopped early, the page speaks of the trials that are finished, and says of how many.

    Raises:
        UsageError: a scenario without a population, an audit that is not there, or models of another recipe in `out`.
    """
    _scenario.cache_clear()
    _bench.cache_clear()
    scenario = load_scenario(path, data)
    planned = trials(scenario)
    for recipe in settings(scenario).recipes:
        trained_by(scenario, recipe)
    fresh(scenario).build_dataset()
    for audit in (*scenario.blocking, *settings(scenario).supporting):
        audit_function(suite, audit)
    names = [job.name for job in plan(scenario)]
    for _ in _each(partial(_trained, path, data, out), names, workers, "models" if progress else ""):
        pass
    keys = {_bench(path, data, out, suite).key(trial): trial for trial in planned}
    known = _known(out / "outcomes.jsonl", keys)
    try:
        left = [(key, trial) for key, trial in keys.items() if key not in known]
        for key, line in _each(partial(_audited, path, data, out, suite), left, workers, "audits" if progress else ""):
            with (out / "outcomes.jsonl").open("a", encoding="utf-8") as file:
                file.write(f"\n{line}")  # a newline first: a line that a crash cut off must not swallow this one
            known[key] = from_line(json.loads(line), keys[key])
    finally:
        finished = [known[key] for key in keys if key in known]
        if finished:
            write(figures(scenario, finished, len(planned)), f"shortcut-audit calibrate {path} --out {out}", out)
    return out / "calibration.md"


def _each(work: Callable[[Item], Done], items: Sequence[Item], workers: int, what: str) -> Iterator[Done]:
    """Each item's result as it comes, with the time left on a bar; what is still waiting when we are stopped is dropped."""
    with tqdm(total=len(items), desc=what, disable=not (what and items), dynamic_ncols=True, mininterval=_seconds()) as bar:
        if workers == 1:
            for item in items:
                yield work(item)
                bar.update()
            return
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,))
        try:
            for done in as_completed([pool.submit(work, item) for item in items]):
                yield done.result()
                bar.update()
        finally:
            pool.shutdown(cancel_futures=True)


def _seconds() -> float:
    return 0.1 if sys.stderr.isatty() else 15


def _trained(path: Path, data: Path | None, out: Path, name: str) -> None:
    scenario = _scenario(path, data)
    recipe = next(recipe_of(scenario, job) for job in plan(scenario) if job.name == name)
    train(trained_by(scenario, recipe), out / "models", progress=False, only=[name])


def _audited(path: Path, data: Path | None, out: Path, suite: Path, item: tuple[str, Trial]) -> tuple[str, str]:
    key, trial = item
    return key, as_line(key, _bench(path, data, out, suite).outcome(trial))


@cache
def _scenario(path: Path, data: Path | None) -> Scenario:
    return load_scenario(path, data)


@cache
def _bench(path: Path, data: Path | None, out: Path, suite: Path) -> Bench:
    """One for each process."""
    return Bench(_scenario(path, data), out, suite)


def _known(path: Path, keys: dict[str, Trial]) -> dict[str, Outcome]:
    """The outcomes that still hold; a last line cut off by a crash is left out."""
    known = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
            known[row["key"]] = from_line(row, keys[row["key"]])
        except (json.JSONDecodeError, KeyError, TypeError):
            continue
    return known
