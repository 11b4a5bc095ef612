"""Does what the model needs to see lie on the decoy?"""

from shortcut_audit import at_most
from shortcut_audit.measures.masks import fills_picture, share_on_footprint


def test_mask_localisation(masks, limits, audit):
    if fills_picture(masks.footprint):
        return audit.does_not_apply("it fills the picture, so that every mask lies on it")
    decoyed = share_on_footprint(masks.decoyed, masks.footprint)  # (n,)
    control = share_on_footprint(masks.control, masks.footprint)  # (n,)
    audit.check(
        decoyed,
        control,
        at_most(limits.localisation),
        groups=masks.groups,
        claim="{observed} of what {model} needs to see of '{target}' lies on {decoy}, "
        "{control} on its control",
    )
