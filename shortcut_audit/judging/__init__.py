"""per-image numbers -> Estimate -> Verdict. Sees arrays, never a model or a picture.

values, control  (n,) -> samples    what kind of numbers; their own test
                      -> intervals  how sure the mean is
other effects         -> references is it beyond what clean training gives?
other p values        -> multiplicity
                      -> verdicts   HOLDS, VIOLATED, UNDECIDED
                      -> power      what would decide, what could have been found
                      -> positive_control  is an effect that is planted found?
                      -> wording    a judgement's figures as text
"""

from shortcut_audit.judging.multiplicity import benjamini_hochberg, holm
from shortcut_audit.judging.references import (
    Innocence,
    beyond_rashomon_set,
    beyond_references,
    sound_references,
)
from shortcut_audit.judging.verdicts import judge, p_value

__all__ = [
    "Innocence",
    "benjamini_hochberg",
    "beyond_rashomon_set",
    "beyond_references",
    "holm",
    "judge",
    "p_value",
    "sound_references",
]
