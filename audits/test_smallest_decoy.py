"""What is the smallest and faintest form of the decoy that turns images of other classes, and does
it turn others than those that it was sought on? Off unless the scenario says `smallest: true`.
"""

from shortcut_audit import at_most


def test_smallest_decoy(smallest_decoy, limits, audit):
    if smallest_decoy.form is None:  # nothing found is no pass
        return audit.does_not_apply(smallest_decoy.why)
    audit.check(
        smallest_decoy.turned,  # (m,) images that the search never saw
        smallest_decoy.turned_by_control,  # (m,)
        at_most(limits.insertion),
        groups=smallest_decoy.groups,
        claim="{model} turns {observed} of other images into '{target}' when {decoy} appears at "
        f"its smallest ({smallest_decoy.words}), {{control}} under the control",
        # it was sought in this model: what it does in others is said, and excuses nothing
        references=False,
    )
