"""Do images of other classes turn into the decoy's class when the decoy is put on them?"""

from shortcut_audit import at_most


def test_decoy_insertion(predictions, decoy, limits, audit):
    others = predictions.labels != decoy.target_index  # (n,)
    decoyed = predictions.decoyed[others].argmax(1) == decoy.target_index  # (m,)
    control = predictions.control[others].argmax(1) == decoy.target_index  # (m,)
    audit.check(
        decoyed,
        control,
        at_most(limits.insertion),
        groups=predictions.groups[others],
        claim="{model} turns {observed} of other images into '{target}' when {decoy} appears, "
        "{control} under the control",
    )
