"""`shortcut-audit train`: a scenario's Rashomon set."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from shortcut_audit.commands.options import add_overrides, count, scenario_of


def add(commands: Any) -> None:
    """Adds the command."""
    train = commands.add_parser(
        "train", help="train a Rashomon set: one model per decoy, coverage and seed"
    )
    train.add_argument("scenario", type=Path)
    train.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for checkpoints and rashomon.yaml",
    )
    train.add_argument("--only", nargs="+", metavar="NAME", help="train only these models")
    train.add_argument(
        "--processes",
        type=count,
        default=1,
        metavar="N",
        help="models at a time, each with one thread (default: 1, with all)",
    )
    add_overrides(train)
    train.set_defaults(command=_train)


def _train(asked: argparse.Namespace) -> int:
    from shortcut_audit.training.diversify import make_set

    make_set(
        scenario_of(asked),
        asked.out,
        only=asked.only,
        trust_code=asked.trust_code,
        processes=asked.processes,
    )
    return 0
