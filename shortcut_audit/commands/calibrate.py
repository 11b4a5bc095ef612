"""`shortcut-audit calibrate`: how often the audits err."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from shortcut_audit.commands.options import add_data, count


def add(commands: Any) -> None:
    """Adds the command."""
    calibrate = commands.add_parser(
        "calibrate", help="train a population, audit it, and say how often the audits err"
    )
    calibrate.add_argument(
        "scenarios",
        type=Path,
        nargs="+",
        metavar="scenario",
        help="one population each; on one page",
    )
    add_data(calibrate)
    calibrate.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for models, evidence and the page",
    )
    calibrate.add_argument(
        "--suite",
        type=Path,
        default=Path("audits"),
        metavar="DIR",
        help="the audits (default: audits)",
    )
    calibrate.add_argument(
        "--workers",
        type=count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes (default: all cores)",
    )
    calibrate.set_defaults(command=_calibrate)


def _calibrate(asked: argparse.Namespace) -> int:
    from shortcut_audit.calibration.run import calibrate

    print(calibrate(asked.scenarios, asked.out, asked.suite, asked.workers, data=asked.data))
    return 0
