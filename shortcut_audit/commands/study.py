"""`shortcut-audit study`: the thesis, with one's own numbers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from shortcut_audit.commands.options import add_overrides, scenario_of


def add(commands: Any) -> None:
    """Adds the command."""
    study = commands.add_parser(
        "study", help="the thesis's tables and figures with your numbers beside the published ones"
    )
    study.add_argument("scenario", type=Path)
    study.add_argument(
        "--out",
        type=Path,
        default=Path("reports/study"),
        metavar="DIR",
        help="default: reports/study",
    )
    study.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help="checkpoints that are there (default: train them into OUT/models)",
    )
    study.add_argument("--only", nargs="+", metavar="NAME", help="only these experiments, e.g. e3")
    add_overrides(study)
    study.set_defaults(command=_study)


def _study(asked: argparse.Namespace) -> int:
    from shortcut_audit.study.run import study

    command = " ".join(sys.argv[1:])
    scenario = scenario_of(asked)
    page = study(scenario, asked.out, asked.models, asked.only, asked.trust_code, command=command)
    print(page)
    return 0
