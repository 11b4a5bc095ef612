"""`shortcut-audit report`: the files of a report, written again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Adds the command."""
    report = commands.add_parser(
        "report",
        help="write the report's files again, or those of a run that was killed",
    )
    report.add_argument(
        "reports", type=Path, help="the folder that holds verdict.json, or record.jsonl alone"
    )
    report.add_argument(
        "--split-assets", action="store_true", help="put style and pictures beside report.html"
    )
    report.set_defaults(command=_report)


def _report(asked: argparse.Namespace) -> int:
    from shortcut_audit.reporting.rewrite import written_again

    for line in written_again(asked.reports, asked.split_assets):
        print(line)
    return 0
