"""Does the explainer work on this model: does it find the decoy where nothing else can be found,
and not where nothing can?
"""

from shortcut_audit import at_most
from shortcut_audit.judging.trust import habits, misses
from shortcut_audit.measures.masks import fills_picture


def test_explainer_sanity(explainer_check, limits, audit):
    if fills_picture(explainer_check.footprint):
        return audit.does_not_apply("it fills the picture, so that no mask can miss it")
    audit.check(
        misses(explainer_check),
        None,
        at_most(limits.explainer),
        groups=explainer_check.groups,
        claim="{observed} of the masks miss {decoy} in a copy of {model} that sees nothing else",
        references=False,
    )
    audit.check(
        habits(explainer_check),
        None,
        at_most(limits.explainer),
        groups=explainer_check.groups,
        claim="{observed} of the masks highlight {decoy} in copies of {model} with random weights",
        references=False,
    )
