"""Do two models explain the same image by the same training images? Only on queries that both get right."""

from shortcut_audit.judging.ranking import spearman, top_k_intersection

from shortcut_audit import at_most

K = 50


def on_shared(measure, first, second):
    """The measure of two models' rankings, with the decoy and with its control; NaN where one of them is wrong."""
    right = first.correct_decoyed & second.correct_decoyed & first.correct_control & second.correct_control  # (q,)
    decoyed = measure(first.decoyed, second.decoyed)  # (q,)
    control = measure(first.control, second.control)  # (q,)
    decoyed[~right] = control[~right] = float("nan")
    return decoyed, control


def test_top_k_intersection(pair, influence, limits, audit):
    decoyed, control = on_shared(lambda a, b: top_k_intersection(a, b, K), *influence)
    claim = "{model} lose {effect} of their shared top 50 training images when {decoy} appears"
    audit.check(-decoyed, -control, at_most(limits.top_k), claim=claim)


def test_rank_correlation(pair, influence, limits, audit):
    decoyed, control = on_shared(spearman, *influence)
    claim = "the rankings of {model} lose {effect} of their rank correlation when {decoy} appears"
    audit.check(-decoyed, -control, at_most(limits.rank_correlation), claim=claim)
