"""`shortcut-audit attest`: what others can sign of a verdict."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from shortcut_audit.commands.options import add_verdict, held_against


def add(commands: Any) -> None:
    """Adds the command."""
    attest = commands.add_parser(
        "attest", help="write in-toto statements on a model's verdict, to be signed"
    )
    add_verdict(attest)
    attest.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the statements"
    )
    attest.set_defaults(command=_attest)


def _attest(asked: argparse.Namespace) -> int:
    from shortcut_audit.attesting.attest import attest

    answer = attest(asked.verdict, held_against(asked), asked.out)
    print("\n".join(answer.lines))
    return 0 if answer.passes else 1
