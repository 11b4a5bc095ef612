"""Are images of other classes that really show an attribute taken for its class more often than
those that do not show it?
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
