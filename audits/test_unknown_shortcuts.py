"""Does anything that nobody named turn pictures of other classes into a class?

What is tried was proposed on training pictures; these are the validation pictures, which the search
has not seen. Off unless the scenario has `discover`.
"""

from shortcut_audit import at_most


def test_unknown_shortcuts(unnamed, limits, audit):
    if not unnamed:
        audit.does_not_apply(
            "the search proposed nothing, which is no pass: docs/discovery.md says what it finds"
        )
    for found in unnamed:
        others = found.labels != found.target_index  # (n,)
        decoyed = found.decoyed[others].argmax(1) == found.target_index  # (m,)
        control = found.control[others].argmax(1) == found.target_index  # (m,)
        audit.check(
            decoyed,
            control,
            at_most(limits.insertion),
            groups=found.groups[others],
            claim=f"{{model}} turns {{observed}} of other images into '{found.target}' when "
            f"{found.name} appears, {{control}} under the control",
        )
