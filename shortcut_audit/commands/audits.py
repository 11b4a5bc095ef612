"""`shortcut-audit audits`: where this version's audits are."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Adds the command."""
    audits = commands.add_parser(
        "audits",
        help='print the folder of the audits: pytest "$(shortcut-audit audits)" --models DIR',
    )
    audits.set_defaults(command=_audits)


def _audits(_asked: argparse.Namespace) -> int:
    from shortcut_audit.files.sources import shipped_audits

    print(shipped_audits())
    return 0
