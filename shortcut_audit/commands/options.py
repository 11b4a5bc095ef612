"""Options that several commands have, and what they mean."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from shortcut_audit.errors import UsageError

if TYPE_CHECKING:
    from shortcut_audit.gate.comparisons import Asked
    from shortcut_audit.scenario import Scenario


def count(text: str) -> int:
    """A number of processes, 1 or more, from what the user typed."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of processes: give 1 or more")
    return int(text)


def add_verdict(command: argparse.ArgumentParser) -> None:
    """Adds the verdict, and what it is held against."""
    command.add_argument("verdict", type=Path, help="reports/verdict.json")
    command.add_argument("--model", required=True, metavar="NAME")
    command.add_argument(
        "--file",
        type=Path,
        help="the checkpoint to promote (default: where it was when it was audited)",
    )
    command.add_argument(
        "--scenario",
        type=Path,
        metavar="FILE",
        help="refuse a verdict that another scenario led to",
    )
    command.add_argument(
        "--audits", type=Path, metavar="DIR", help="refuse a verdict that other audits led to"
    )
    command.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="refuse a verdict on other pictures (needs --scenario)",
    )


def held_against(asked: argparse.Namespace) -> Asked:
    """What a verdict is held against, by the options of `add_verdict`."""
    from shortcut_audit.gate.comparisons import Asked

    return Asked(asked.model, asked.file, asked.scenario, asked.audits, asked.data)


def add_data(command: argparse.ArgumentParser) -> None:
    """Adds where the pictures are."""
    command.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="where the data set's paths start (default: beside the scenario)",
    )


def add_overrides(command: argparse.ArgumentParser) -> None:
    """Adds the options that depend on the machine rather than on the scenario."""
    add_data(command)
    command.add_argument(
        "--device",
        help="cpu, cuda, cuda:1, or auto: cuda where there is one (default: as in the scenario)",
    )
    command.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="threads that decode photographs (default: as many as cores)",
    )
    command.add_argument(
        "--trust-code",
        action="store_true",
        help="let an architecture of your own be named (runs code)",
    )
    command.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        help="of training (default: as in the scenario)",
    )


def scenario_of(asked: argparse.Namespace) -> Scenario:
    """The scenario of `train` and `study`, with the options of `add_overrides` in its place."""
    from shortcut_audit.scenario import load_scenario

    if asked.data is not None and not asked.data.is_dir():
        raise UsageError(
            f"--data '{asked.data}' is no folder: name the one in which the data set's paths start"
        )
    overrides = {}
    if asked.device is not None:
        overrides["device"] = asked.device
    if asked.precision is not None:
        overrides["precision"] = asked.precision
    scenario = load_scenario(asked.scenario, asked.data, overrides)
    if asked.workers is None:
        return scenario
    return scenario.model_copy(update={"dataset": {**scenario.dataset, "workers": asked.workers}})
