"""Does one model recognise an image through another model's mask as well as through its own?"""

from shortcut_audit import at_most
from shortcut_audit.measures.masks import normalised_transfer


def test_mask_transfer(pair, transfer, limits, audit):
    # (2, n)
    decoyed = normalised_transfer(
        transfer.decoyed.own, transfer.decoyed.other, transfer.decoyed.blurred
    )
    # (2, n)
    control = normalised_transfer(
        transfer.control.own, transfer.control.other, transfer.control.blurred
    )
    audit.check(
        decoyed.mean(0),
        control.mean(0),
        at_most(limits.transfer),
        groups=transfer.groups,
        claim="{model} lose {observed} of their score in each other's masks when {decoy} appears, "
        "{control} under the control",
    )
