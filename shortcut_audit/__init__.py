"""Is an image classifier right for the right reasons? A model is a test subject; an audit is a
pytest test.

The rooms, in the order in which they may import each other; the flow is from top to bottom::

    errors, inputs_and_outputs, records, observations, registry
    files         whole or not at all: YAML, digests, the store that evidence is kept in
    waivers       what somebody takes the responsibility for, and until when
    settings      the parts of the YAML, with their ranges and defaults
    scenario      the YAML: which data, which decoys, which limits
    promotion     what blocks, what is only noted, what becomes of a model
    subjects      checkpoint + data + decoy -> Subject, Pictures, Decoyed
    measures      arrays -> one number an image
    judging       numbers per image -> Estimate -> Verdict
    evidence      Subject -> Predictions, Masks, Influence
    gathering     all of that ahead of judging, by other processes and machines
    training      Scenario -> checkpoints (not needed to audit)
    planting      Scenario -> a folder of pictures, for a model that answers elsewhere
    discovery     training pictures + models -> Proposals -> decoys that nobody had named
    showing       kept evidence -> Exhibits: the pictures of a report, and what is drawn
    reporting     Findings -> Report -> files
    harness       plans a run, asks, measures and judges: case x audit function -> Findings
    calibration   how often all of it errs, on models whose answer is known
    study         the thesis's tables and figures, with one's own numbers beside the published ones
    gate          verdict.json + checkpoint -> may it be promoted?
    attesting     verdict.json + checkpoint -> statements, for others to sign
    starting      a folder -> the files of a first audit, and a look at the decoys
    revealing     models -> what nobody had named: searched, confirmed or not, and shown
    plugin, commands, cli    pytest's hooks and the commands, which only delegate
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shortcut_audit.errors import DataError, ModelError, ShortcutAuditError, UsageError
    from shortcut_audit.records import Decoyed, Labelled, Limit, Pictures, Verdict
    from shortcut_audit.registry import register
    from shortcut_audit.subjects.tables.torch_items import from_torch

__version__ = "0.1.0"

# name -> its module, which is imported when the name is first asked for
_HOMES = {
    **dict.fromkeys(("DataError", "ModelError", "ShortcutAuditError", "UsageError"), "errors"),
    **dict.fromkeys(("Decoyed", "Labelled", "Limit", "Pictures", "Verdict"), "records"),
    "register": "registry",
    "from_torch": "subjects.tables.torch_items",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'shortcut_audit' has no attribute '{name}'")
    return getattr(import_module(f"shortcut_audit.{_HOMES[name]}"), name)


def at_most(value: float) -> Limit:
    """The effect must be shown to be at most `value` (a share: 0.10 is ten points)."""
    from shortcut_audit.records import Limit

    return Limit(float(value))


__all__ = [
    "DataError",
    "Decoyed",
    "Labelled",
    "Limit",
    "ModelError",
    "Pictures",
    "ShortcutAuditError",
    "UsageError",
    "Verdict",
    "at_most",
    "from_torch",
    "register",
]
