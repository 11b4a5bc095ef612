"""Is an image classifier right for the right reasons? A model is a test subject; an audit is a pytest test.

The flow, and the order in which modules may import each other::

    errors, records, yaml_files, checking, registry, files, sources, store
      < scenario        the YAML: which data, which decoys, which limits
      < subjects        checkpoint + data + decoy -> Subject
        planning        which cases there are, and what blocks
      < training        Scenario -> checkpoints (not needed to audit)
        evidence        Subject -> Predictions, Masks, Influence
      < judging         per-image numbers -> Estimate -> Verdict
      < cases           case x audit function -> Findings: measurement, questions (what else is asked), claims (in words)
        prospects       what an audit of these pictures and models can come to, said before it begins
      < reporting       Findings -> Report -> files
      < session         one run of the harness
        calibration     how often all of it errs, on models whose answer is known
        study           the thesis's tables and figures, with one's own numbers beside the published ones
        gate            verdict.json + checkpoint -> may it be promoted?
      < plugin, cli     pytest's hooks and the commands, which only delegate
"""

from shortcut_audit.errors import DataError, ModelError, ShortcutAuditError, UsageError
from shortcut_audit.records import Decoyed, Limit, Pictures, Verdict
from shortcut_audit.registry import register

__version__ = "0.1.0"


def at_most(value: float) -> Limit:
    """The effect must be shown to be at most `value` (a share: 0.10 is ten points)."""
    return Limit(float(value))


__all__ = [
    "DataError",
    "Decoyed",
    "Limit",
    "ModelError",
    "Pictures",
    "ShortcutAuditError",
    "UsageError",
    "Verdict",
    "at_most",
    "register",
]
