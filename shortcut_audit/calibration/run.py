"""Trains what is missing, audits what is missing, writes the page: `shortcut-audit calibrate`.

It may be stopped at any time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from shortcut_audit.calibration.audit_functions import audit_functions
from shortcut_audit.calibration.behaviour import fresh
from shortcut_audit.calibration.figures import figures
from shortcut_audit.calibration.outcomes import Row
from shortcut_audit.calibration.page import write
from shortcut_audit.calibration.population import Trial, recipe_of, settings, trained_by, trials
from shortcut_audit.calibration.trials import Outcome, TrialRunner, as_line, from_line
from shortcut_audit.errors import UsageError
from shortcut_audit.processors import shared_out
from shortcut_audit.scenario import Scenario, load_scenario
from shortcut_audit.training.plan import plan
from shortcut_audit.training.train import train


@dataclass(frozen=True)
class Population:
    """One scenario, where its data and its own folder are, and the audits."""

    path: Path
    data: Path | None
    out: Path
    suite: Path


def calibrate(
    paths: Sequence[Path],
    out: Path,
    suite: Path = Path("audits"),
    workers: int = 1,
    progress: bool = True,
    data: Path | None = None,
) -> Path:
    """Writes `calibration.md` and `calibration.json` to `out`: a part for each scenario.

    Its models, evidence and `outcomes.jsonl` are in a folder of its name.

    What is there already is kept: finished models, their evidence, and each outcome whose models,
    data, limits, audits and judging are still the same. Stopped early, the page speaks of the
    trials that are finished, and says of how many.

    Args:
        paths: scenarios, each with a part `calibration`.
        data: where their data sets' relative paths start; None: beside each scenario.

    Raises:
        UsageError: a scenario without a population, an audit that is not there, models of
            another recipe in `out`, or two scenarios of one name.
    """
    _scenario.cache_clear()
    _runner.cache_clear()
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        raise UsageError(
            "two populations have one name, and so one folder: rename one of the scenario files"
        )
    planned: dict[Population, tuple[Trial, ...]] = {}
    for path in paths:
        population = Population(path, data, out / path.stem, suite)
        planned[population] = _checked(population)
    command = _command(paths, data, out)
    finished: dict[str, Row] = {}
    for population, asked in planned.items():
        known: dict[str, Outcome] = {}
        try:
            _fill(known, population, asked, workers, progress)
        finally:
            if known:
                finished[population.path.stem] = _figures(population, asked, known.values())
                write(finished, command, out)
    return out / "calibration.md"


def _command(paths: Sequence[Path], data: Path | None, out: Path) -> str:
    """What a user types to get this page."""
    scenarios = " ".join(str(path) for path in paths)
    where = f" --data {data}" if data else ""
    return f"shortcut-audit calibrate {scenarios}{where} --out {out}"


def _checked(population: Population) -> tuple[Trial, ...]:
    """The trials of one population, once it is known that they can be made."""
    scenario = _scenario(population)
    asked = trials(scenario)
    for recipe in settings(scenario).recipes:
        trained_by(scenario, recipe)
    fresh(scenario).build_dataset()
    for audit in (*scenario.blocking, *settings(scenario).supporting):
        audit_functions(population.suite, audit)
    return asked


def _figures(population: Population, asked: Sequence[Trial], outcomes: Iterable[Outcome]) -> Row:
    in_order = sorted(outcomes, key=lambda outcome: asked.index(outcome.trial))
    return figures(_scenario(population), in_order, len(asked))


def _fill(
    known: dict[str, Outcome],
    population: Population,
    asked: Sequence[Trial],
    workers: int,
    progress: bool,
) -> None:
    """Trains and audits what is missing, and puts every outcome into `known` as it comes.

    So `known` holds what there is, also where the run is stopped.
    """
    names = [job.name for job in plan(_scenario(population))]
    bars = ("models", "audits") if progress else ("", "")
    for _ in shared_out(partial(_train, population), names, workers, bars[0]):
        pass
    trial_of = {_runner(population).key(trial): trial for trial in asked}
    file = population.out / "outcomes.jsonl"
    known |= _kept(file, trial_of)
    left = [(key, trial) for key, trial in trial_of.items() if key not in known]
    for key, line in shared_out(partial(_audit, population), left, workers, bars[1]):
        with file.open("a", encoding="utf-8") as lines:
            # a newline first: a line that a crash cut off must not swallow this one
            lines.write(f"\n{line}")
        known[key] = from_line(json.loads(line), trial_of[key])


def _train(population: Population, name: str) -> None:
    scenario = _scenario(population)
    (job,) = plan(scenario, [name])
    recipe = trained_by(scenario, recipe_of(scenario, job))
    train(recipe, population.out / "models", progress=False, only=[name])


def _audit(population: Population, item: tuple[str, Trial]) -> tuple[str, str]:
    """The key of a trial and the line of its outcome."""
    key, trial = item
    return key, as_line(key, _runner(population).outcome(trial))


@cache
def _scenario(population: Population) -> Scenario:
    return load_scenario(population.path, population.data)


@cache
def _runner(population: Population) -> TrialRunner:
    """One for each process."""
    return TrialRunner(_scenario(population), population.out, population.suite)


def _kept(path: Path, trial_of: dict[str, Trial]) -> dict[str, Outcome]:
    """The outcomes in this file that still hold; a last line cut off by a crash is left out."""
    kept: dict[str, Outcome] = {}
    if not path.is_file():
        return kept
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            kept[row["key"]] = from_line(row, trial_of[row["key"]])
        except (json.JSONDecodeError, KeyError, TypeError):
            continue
    return kept
