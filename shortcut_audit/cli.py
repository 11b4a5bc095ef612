"""`shortcut-audit COMMAND`: the commands are the modules of the room `commands`.

A user's mistake is one sentence and exit code 4.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from shortcut_audit import __version__
from shortcut_audit.commands import add_commands
from shortcut_audit.errors import ShortcutAuditError
from shortcut_audit.processors import wait_asleep

MISTAKE = 4  # pytest's code for a usage error


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    asked = _parser().parse_args(arguments)
    wait_asleep()
    try:
        code: int = asked.command(asked)
    except ShortcutAuditError as error:
        print(f"shortcut-audit: {error}", file=sys.stderr)
        return MISTAKE
    except BrokenPipeError:  # whoever read what is printed has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print(
            "shortcut-audit: stopped; what was finished is kept, "
            "and the same command goes on from there",
            file=sys.stderr,
        )
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="shortcut-audit", description="Is an image classifier right for the right reasons?"
    )
    parser.add_argument("--version", action="version", version=__version__)
    add_commands(parser.add_subparsers(required=True, metavar="COMMAND"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
