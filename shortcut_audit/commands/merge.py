"""`shortcut-audit merge`: one report of the shards of one run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Adds the command."""
    merge = commands.add_parser(
        "merge", help="decide on the models of a run that was made in shards (--audit-shard)"
    )
    merge.add_argument(
        "reports", type=Path, help="the folder of reports that holds all shards of the run"
    )
    merge.set_defaults(command=_merge)


def _merge(asked: argparse.Namespace) -> int:
    from shortcut_audit.harness.course.merging import merge
    from shortcut_audit.reporting.table import summary

    run, code = merge(asked.reports)
    if run.report is not None:
        for line in summary(run.report):
            print(line)
    if (page := run.reports / "report.html").is_file():
        print(f"page: {page}")
    trouble = run.ledger.trouble
    print(f"no verdict: {trouble}" if trouble else run.ledger.last_word())
    return code
