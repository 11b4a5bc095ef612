"""`shortcut-audit gate`: may this very checkpoint be promoted?"""

from __future__ import annotations

import argparse
from typing import Any

from shortcut_audit.commands.options import add_verdict, held_against


def add(commands: Any) -> None:
    """Adds the command."""
    gate = commands.add_parser("gate", help="exit 0 only if this very checkpoint may be promoted")
    add_verdict(gate)
    gate.set_defaults(command=_gate)


def _gate(asked: argparse.Namespace) -> int:
    from shortcut_audit.gate.examination import gate

    answer = gate(asked.verdict, held_against(asked))
    print("\n".join(answer.lines))
    return 0 if answer.passes else 1
