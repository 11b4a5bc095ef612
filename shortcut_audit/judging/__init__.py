"""Numbers per image -> Estimate -> Verdict. Sees arrays, never a model or a picture.

values, control  (n,) -> samples           what kind of numbers, and of which groups; their own test
                      -> intervals         how sure the mean is
other effects         -> references        is it beyond what clean training gives?
other p values        -> multiplicity
all of these          -> comparison        the decision: HOLDS, VIOLATED, UNDECIDED
                      -> verdicts          the judgement with its figures
                      -> power             what would decide, what could have been found
                      -> advice            the same in words
                      -> positive_control  is an effect that is planted found?
accuracies per group  -> worst_group       which group fares worst, and how sure that is
"""

from shortcut_audit.judging.comparison import Comparison
from shortcut_audit.judging.multiplicity import holm
from shortcut_audit.judging.references import (
    Innocence,
    beyond_rashomon_set,
    beyond_references,
    sound_references,
)
from shortcut_audit.judging.samples import Design
from shortcut_audit.judging.verdicts import judge, p_value, without_groups
from shortcut_audit.judging.worst_group import worst_group

__all__ = [
    "Comparison",
    "Design",
    "Innocence",
    "beyond_rashomon_set",
    "beyond_references",
    "holm",
    "judge",
    "p_value",
    "sound_references",
    "without_groups",
    "worst_group",
]
