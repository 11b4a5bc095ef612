"""Do two models that agree on where to look stop agreeing when the decoy appears?"""

from shortcut_audit import at_most
from shortcut_audit.measures.masks import chance_corrected


def test_mask_agreement(pair, masks, limits, audit):
    first, second = masks
    # (n,) 1 is identical, 0 is chance
    plain = chance_corrected(first.plain, second.plain, first.objects)
    # (n,) lost with the decoy
    decoyed = plain - chance_corrected(first.decoyed, second.decoyed, first.objects)
    # (n,) lost with its control
    control = plain - chance_corrected(first.control, second.control, first.objects)
    audit.check(
        decoyed,
        control,
        at_most(limits.agreement),
        groups=first.groups,
        claim="the masks of {model} lose {observed} of their agreement when {decoy} appears, "
        "{control} under the control",
    )
