"""Is one class, with or without an attribute, much worse than all images together? Each is asked
about; one that is too small to tell is UNDECIDED.
"""

import numpy as np

from shortcut_audit import at_most
from shortcut_audit.judging import worst_group

MOST = 24  # groups, those of the most errors for their size


def test_worst_group(natural, limits, audit):
    known = natural.labels >= 0  # (n,)
    wrong = natural.logits.argmax(1) != natural.labels  # (n,)
    membership = 2 * natural.labels + natural.shown  # (n,) class x attribute
    found, sizes = np.unique(membership[known], return_counts=True)  # (g,)
    if len(found) < 2:
        return audit.does_not_apply("all images are of one class and show the same")
    worst, right = worst_group(~wrong[known], membership[known], groups=natural.groups[known])
    rates = np.array([wrong[known & (membership == each)].mean() for each in found])  # (g,)
    for at in np.argsort(-(rates + 1 / np.sqrt(sizes)), kind="stable")[:MOST]:
        here = known & (membership == found[at])  # (n,)
        name = natural.names[found[at] // 2].replace("{", "{{").replace("}", "}}")
        between = f"{100 * right.low:.0f} to {100 * right.high:.0f} %"
        audit.check(
            wrong[here],
            wrong[known].mean(),
            at_most(limits.worst_group),
            groups=natural.groups[here],
            claim=f"{{model}} is wrong on {{observed}} of '{name}' "
            f"{'with' if found[at] % 2 else 'without'} {{decoy}}, {{control}} of all"
            + (f" (worst-group accuracy: {between})" if found[at] == worst else ""),
            references=False,
        )
