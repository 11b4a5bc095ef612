"""Training pictures and one model -> everything that was proposed, ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shortcut_audit import registry
from shortcut_audit.discovery.families.family import Family
from shortcut_audit.discovery.families.merging import candidates
from shortcut_audit.discovery.families.ranking import ranked
from shortcut_audit.discovery.ground import Ground
from shortcut_audit.discovery.proposal import Proposal


def proposed(search: Ground, proposers: Mapping[str, Mapping[str, Any]]) -> list[Proposal]:
    """What all the proposers see, each with its options."""
    found: list[Proposal] = []
    for name, options in proposers.items():
        found += registry.build("proposer", name, options).propose(search)
    return found
