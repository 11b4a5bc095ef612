"""Which models say what clean training gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shortcut_audit.records import Candidate


def references_for(models: Sequence[str], candidates: Mapping[str, Candidate]) -> list[str]:
    """The reference models that say what clean training gives for these.

    They are of the same architecture, where enough others are.

    Enough is four: one of them may turn out to be unsound, and three must be left to show that an
    effect is innocent.
    """
    every = [name for name, candidate in candidates.items() if candidate.reference]
    kinds = {candidates[name].arch for name in models}
    alike = [name for name in every if {candidates[name].arch} == kinds]
    return alike if len(set(alike) - set(models)) >= 4 else every
