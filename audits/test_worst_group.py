"""Is the model much worse on one class, with or without an attribute, than on all images?"""

import numpy as np

from shortcut_audit import at_most
from shortcut_audit.judging import worst_group


def test_worst_group(natural, limits, audit):
    wrong = natural.logits.argmax(1) != natural.labels  # (n,)
    membership = 2 * natural.labels + natural.shown  # (n,) class x attribute
    known = natural.labels >= 0  # (n,)
    if len(np.unique(membership[known])) < 2:
        return audit.does_not_apply("there is one group of pictures, and no other to compare with")
    worst, right = worst_group(~wrong[known], membership[known], groups=natural.groups[known])
    here = known & (membership == worst)  # (n,)
    name = natural.names[worst // 2].replace("{", "{{").replace("}", "}}")
    smallest = np.unique(membership[known], return_counts=True)[1].min()
    audit.check(
        wrong[here],
        wrong[known].mean(),
        at_most(limits.worst_group),
        groups=natural.groups[here],
        claim=f"{{model}} is wrong on {{observed}} of '{name}' "
        f"{'with' if worst % 2 else 'without'} {{decoy}}, {{control}} of all; worst-group accuracy "
        f"is {100 * right.low:.0f} to {100 * right.high:.0f} % (smallest group: {smallest})",
        references=False,
    )
