"""Are images of other classes that really show an attribute taken for its class more often than
those that do not show it? And does the model miss its class more often without it?
"""

from shortcut_audit import at_most


def test_natural_insertion(natural, limits, audit):
    others = natural.labels != natural.target_index  # (n,)
    on, off = others & natural.shown, others & ~natural.shown  # (n,)
    taken = natural.logits.argmax(1) == natural.target_index  # (n,)
    audit.compare(
        taken[on],
        taken[off],
        at_most(limits.insertion),
        groups=natural.groups[on],
        other_groups=natural.groups[off],
        claim="{model} takes {observed} of other images for '{target}' where they show {decoy}, "
        "{control} where they do not",
    )


def test_natural_need(natural, limits, audit):
    members = natural.labels == natural.target_index  # (n,)
    on, off = members & natural.shown, members & ~natural.shown  # (n,)
    missed = natural.logits.argmax(1) != natural.target_index  # (n,)
    audit.compare(
        missed[off],
        missed[on],
        at_most(limits.need),
        groups=natural.groups[off],
        other_groups=natural.groups[on],
        claim="{model} misses {observed} of '{target}' where they do not show {decoy}, {control} "
        "where they do",
    )
