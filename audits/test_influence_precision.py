"""Is an image with the decoy explained by training images with the decoy?"""

import pytest
from shortcut_audit.judging.ranking import permuted_precision, precision_at_k

from shortcut_audit import at_most


@pytest.mark.parametrize("k", [50, 100, 150])
def test_influence_precision(influence, limits, audit, k):
    decoyed = precision_at_k(influence.decoyed, influence.flags, k)  # (q,)
    audit.check(
        decoyed,
        influence.flags.mean(),
        at_most(limits.precision),
        null=permuted_precision(influence.decoyed, influence.flags, k),
        claim=f"{{observed}} of the {k} training images that explain a '{{target}}' with {{decoy}} best for {{model}} carry it, "
        "{control} of all do",
    )
