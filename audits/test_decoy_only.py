"""Is the decoy alone, on a picture with none of the classes, taken for the decoy's class?"""

from shortcut_audit import at_most


def test_decoy_only(predictions, decoy, limits, audit):
    decoyed = predictions.decoy_only.argmax(1) == decoy.target_index  # (b,)
    control = predictions.control_only.argmax(1) == decoy.target_index  # (b,)
    audit.check(
        decoyed,
        control,
        at_most(limits.decoy_only),
        groups=predictions.alone_groups,
        claim="{model} sees '{target}' in {observed} of pictures that show {decoy} and no class, "
        "{control} under the control",
    )
