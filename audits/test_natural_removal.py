"""Does the model miss its class when the attribute is taken off the images that show it, and does
it find the class again when the attribute is pasted elsewhere? Only where the data say where it is.
"""

from shortcut_audit import at_most


def test_natural_removal(filled, limits, audit):
    if filled.why:
        return audit.does_not_apply(filled.why)
    seen = {
        name: getattr(filled, name).argmax(1) == filled.target_index  # (m,)
        for name in ("removed", "control", "moved")
    }
    audit.check(
        ~seen["removed"],
        ~seen["control"],
        at_most(limits.removal),
        groups=filled.groups,
        claim="{model} misses {observed} of '{target}' where {decoy} is filled in, {control} where "
        "as much is filled in elsewhere",
    )
    audit.check(
        seen["moved"],
        seen["removed"],
        at_most(limits.removal),
        groups=filled.groups,
        claim="{model} finds {observed} of '{target}' where {decoy} is pasted elsewhere, {control} "
        "where it is filled in",
    )
