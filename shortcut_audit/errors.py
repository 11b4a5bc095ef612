"""Every error that a user can meet: what was asked, what was found, what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ShortcutAuditError(Exception):
    """One clear sentence for a person; shown without a traceback."""


class UsageError(ShortcutAuditError):
    """The command line, the scenario or the manifest asks for something that cannot be: nobody's model is at fault."""


class ModelError(ShortcutAuditError):
    """One checkpoint cannot be audited (corrupt, hostile, wrong shape, not finite): charged to that model alone."""


class DataError(ShortcutAuditError):
    """A folder or file of the data set cannot be used."""


def did_you_mean(asked: str, known: Iterable[str]) -> str:
    """The half sentence that helps after a typo: `; did you mean 'stop_sign'?`, or what there is."""
    known = sorted(known)
    close = get_close_matches(asked, known, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; there is {', '.join(known)}" if known else "; there is none"
