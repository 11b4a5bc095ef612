"""Does the model need the decoy to recognise the decoy's class? Blind where only part of the
training images had it.
"""

from shortcut_audit import at_most


def test_decoy_removal(predictions, decoy, limits, audit):
    members = predictions.labels == decoy.target_index  # (n,)
    plain = predictions.plain[members].argmax(1) != decoy.target_index  # (m,) missed
    decoyed = predictions.decoyed[members].argmax(1) != decoy.target_index  # (m,) missed
    audit.check(
        plain,
        decoyed,
        at_most(limits.removal),
        groups=predictions.groups[members],
        claim="{model} misses {observed} of '{target}' without {decoy} and {control} with it",
    )
