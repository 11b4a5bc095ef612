"""Is the model as accurate as the best of the set, on plain validation images?"""

from shortcut_audit import at_most


def test_rashomon_membership(accuracy, scenario, audit):
    audit.check(
        accuracy.best,
        accuracy.own,
        at_most(scenario.rashomon.epsilon),
        groups=accuracy.groups,
        references=False,
        claim="{model} gets {control} of plain validation images right, "
        f"{{observed}} is the best ({accuracy.best_name})",
    )
