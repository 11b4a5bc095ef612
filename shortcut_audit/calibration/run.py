"""Trains what is missing, audits what is missing, writes the page: `shortcut-audit calibrate`. It
may be stopped at any time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from shortcut_audit.calibration.behaviour import fresh
from shortcut_audit.calibration.figures import Row, figures
from shortcut_audit.calibration.page import write
from shortcut_audit.calibration.population import Trial, recipe_of, settings, trained_by, trials
from shortcut_audit.calibration.trials import Bench, Outcome, as_line, audit_functions, from_line
from shortcut_audit.errors import UsageError
from shortcut_audit.processors import shared_out
from shortcut_audit.scenario import Scenario, load_scenario
from shortcut_audit.training.plan import plan
from shortcut_audit.training.train import train


@dataclass(frozen=True)
class Place:
    """One population: its scenario, where its data and its folder are, and the audits."""

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
            another recipe in `out`, or two
            scenarios of one name.
    """
    _scenario.cache_clear()
    _bench.cache_clear()
    places = [Place(path, data, out / path.stem, suite) for path in paths]
    if len({place.out for place in places}) < len(places):
        raise UsageError(
            "two populations have one name, and so one folder: rename one of the scenario files"
        )
    planned = {place: _checked(place) for place in places}
    told: dict[str, Row] = {}
    where = f" --data {data}" if data else ""
    command = f"shortcut-audit calibrate {' '.join(str(path) for path in paths)}{where} --out {out}"
    for place, asked in planned.items():
        known: dict[str, Outcome] = {}
        try:
            _fill(known, place, asked, workers, progress)
        finally:
            if known:
                told[place.path.stem] = figures(
                    _scenario(place),
                    sorted(known.values(), key=lambda each: asked.index(each.trial)),
                    len(asked),
                )
                write(told, command, out)
    return out / "calibration.md"


def _checked(place: Place) -> tuple[Trial, ...]:
    """The trials of one population, once it is known that they can be made."""
    scenario = _scenario(place)
    asked = trials(scenario)
    for recipe in settings(scenario).recipes:
        trained_by(scenario, recipe)
    fresh(scenario).build_dataset()
    for audit in (*scenario.blocking, *settings(scenario).supporting):
        audit_functions(place.suite, audit)
    return asked


def _fill(
    known: dict[str, Outcome], place: Place, asked: Sequence[Trial], workers: int, progress: bool
) -> None:
    """Trains and audits what is missing; what is known so far stands in `known`, also where it is
    stopped.
    """
    names = [job.name for job in plan(_scenario(place))]
    for _ in shared_out(partial(_trained, place), names, workers, "models" if progress else ""):
        pass
    keys = {_bench(place).key(trial): trial for trial in asked}
    file = place.out / "outcomes.jsonl"
    known |= _known(file, keys)
    left = [(key, trial) for key, trial in keys.items() if key not in known]
    for key, line in shared_out(
        partial(_audited, place), left, workers, "audits" if progress else ""
    ):
        with file.open("a", encoding="utf-8") as lines:
            # a newline first: a line that a crash cut off must not swallow this one
            lines.write(f"\n{line}")
        known[key] = from_line(json.loads(line), keys[key])


def _trained(place: Place, name: str) -> None:
    scenario = _scenario(place)
    recipe = next(recipe_of(scenario, job) for job in plan(scenario) if job.name == name)
    train(trained_by(scenario, recipe), place.out / "models", progress=False, only=[name])


def _audited(place: Place, item: tuple[str, Trial]) -> tuple[str, str]:
    key, trial = item
    return key, as_line(key, _bench(place).outcome(trial))


@cache
def _scenario(place: Place) -> Scenario:
    return load_scenario(place.path, place.data)


@cache
def _bench(place: Place) -> Bench:
    """One for each process."""
    return Bench(_scenario(place), place.out, place.suite)


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
