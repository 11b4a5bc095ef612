"""Do two models explain the same image by the same training images? Only on queries that both get
right.
"""

from shortcut_audit import at_most
from shortcut_audit.measures.rankings import beyond_chance, spearman, top_k_intersection

K = 50


def on_shared(measure, first, second):
    """How far two models' rankings are from agreeing, with the decoy and its control; NaN where one
    of them is wrong.
    """
    # (q,)
    wrong = ~(
        first.correct_decoyed
        & second.correct_decoyed
        & first.correct_control
        & second.correct_control
    )
    decoyed = 1 - measure(first.decoyed, second.decoyed)  # (q,)
    control = 1 - measure(first.control, second.control)  # (q,)
    decoyed[wrong] = control[wrong] = float("nan")
    return decoyed, control


def intersection(first, second):
    """Share of the top K in common, corrected for what chance gives: (q, m), (q, m) -> (q,)."""
    return beyond_chance(top_k_intersection(first, second, K), K, first.shape[1])


def test_top_k_intersection(pair, influence, limits, audit):
    lost = "{model} lose {effect} of what their top 50 training images share when {decoy} appears"
    audit.check(
        *on_shared(intersection, *influence),
        at_most(limits.top_k),
        groups=influence[0].groups,
        claim=f"{lost} ({influence[0].basis})",
    )


def test_rank_correlation(pair, influence, limits, audit):
    lost = (
        "{model} lose {effect} of the rank correlation of their training images "
        "when {decoy} appears"
    )
    audit.check(
        *on_shared(spearman, *influence),
        at_most(limits.rank_correlation),
        groups=influence[0].groups,
        claim=f"{lost} ({influence[0].basis})",
    )
