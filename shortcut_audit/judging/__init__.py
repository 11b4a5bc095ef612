"""Numbers per image -> Estimate -> Verdict. Sees arrays, never a model or a picture.

values, control  (n,) -> samples           what kind of numbers; their own test
                      -> intervals         how sure the mean is
other effects         -> references        is it beyond what clean training gives?
other p values        -> multiplicity
all of these          -> comparison        the decision: HOLDS, VIOLATED, UNDECIDED
                      -> verdicts          the judgement with its figures
                      -> power             what would decide, what could have been found
                      -> advice            the same in words
                      -> positive_control  is an effect that is planted found?
"""

from shortcut_audit.judging.comparison import Comparison
from shortcut_audit.judging.multiplicity import holm
from shortcut_audit.judging.references import (
    Innocence,
    beyond_rashomon_set,
    beyond_references,
    sound_references,
)
from shortcut_audit.judging.verdicts import judge, p_value

__all__ = [
    "Comparison",
    "Innocence",
    "beyond_rashomon_set",
    "beyond_references",
    "holm",
    "judge",
    "p_value",
    "sound_references",
]
