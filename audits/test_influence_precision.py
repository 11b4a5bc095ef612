"""Is an image with the decoy explained by training images with the decoy?"""

import pytest

from shortcut_audit import at_most
from shortcut_audit.measures.rankings import permuted_precision, precision_at_k


@pytest.mark.parametrize("k", [50, 100, 150])
def test_influence_precision(influence, limits, audit, k):
    base_rate = influence.flags.mean()
    claim = (
        f"of the {k} training images that speak most for a '{{target}}' with {{decoy}} in {{model}}"
    )
    audit.check(
        precision_at_k(influence.decoyed, influence.flags, k),  # (q,)
        base_rate,
        at_most(limits.precision),
        groups=influence.groups,
        null=lambda: (
            permuted_precision(influence.decoyed, influence.flags, k, draws=1000, seed=0)
            - base_rate
        ),
        claim=f"{claim}, {{observed}} carry it, against {{control}} of all ({influence.basis})",
    )
