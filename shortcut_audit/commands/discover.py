"""`shortcut-audit discover`: what makes the models say each class, which nobody had named."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from shortcut_audit.commands.options import add_data

CONFIRMED = 1  # the exit code where something is


def add(commands: Any) -> None:
    """Adds the command."""
    discover = commands.add_parser(
        "discover", help="search the models for shortcuts that nobody has named, and confirm them"
    )
    discover.add_argument(
        "--models",
        type=Path,
        required=True,
        metavar="DIR",
        help="the checkpoints; those of the same training are each other's peers",
    )
    discover.add_argument(
        "--scenario",
        type=Path,
        required=True,
        metavar="FILE",
        help="which data, with its training pictures, and which limits; it needs no decoys",
    )
    discover.add_argument(
        "--class",
        dest="classes",
        nargs="+",
        metavar="NAME",
        help="only shortcuts into these classes (default: all)",
    )
    _add_places(discover)
    discover.set_defaults(command=_discover)


def _add_places(discover: argparse.ArgumentParser) -> None:
    """Adds the options that depend on the machine rather than on the models."""
    add_data(discover)
    discover.add_argument(
        "--out",
        type=Path,
        default=Path("reports/discovered"),
        metavar="DIR",
        help="default: reports/discovered",
    )
    discover.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:1, or auto: cuda where there is one"
    )
    discover.add_argument(
        "--trust-code",
        action="store_true",
        help="let the manifest name architectures of your own (runs code)",
    )


def _discover(asked: argparse.Namespace) -> int:
    from shortcut_audit.revealing.run import asked_for, discover
    from shortcut_audit.revealing.table import lines
    from shortcut_audit.scenario import load_scenario

    scenario = asked_for(load_scenario(asked.scenario, asked.data), asked.classes)
    revealed, written = discover(scenario, asked.models, asked.out, asked.device, asked.trust_code)
    for line in lines(revealed):
        print(line)
    for path in written:
        print(f"written: {path}")
    return CONFIRMED if revealed.confirmed else 0
