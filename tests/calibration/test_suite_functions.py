"""Every shipped audit can be asked outside of pytest, by its name and with each of its parameters."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from shortcut_audit.calibration.audit_functions import audit_functions, parameters
from shortcut_audit.errors import UsageError

SUITE = Path(__file__).parents[2] / "audits"
SHIPPED = sorted(
    node.name.removeprefix("test_")
    for file in SUITE.glob("test_*.py")
    for node in ast.parse(file.read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
)
TWO = [{"k": 1, "share": 0.5}, {"k": 2, "share": 0.1}]


@pytest.mark.parametrize("audit", SHIPPED)
def test_each_is_found_and_asks_for_the_audit(audit: str) -> None:
    for each in audit_functions(SUITE, audit):
        assert each.name.partition("@")[0] == audit
        assert {"audit", *each.given} <= each.wanted


def test_parameters_become_audits_of_their_own() -> None:
    names = [each.name for each in audit_functions(SUITE, "influence_precision")]
    assert names == ["influence_precision@50", "influence_precision@100", "influence_precision@150"]


@pytest.mark.parametrize(
    ("mark", "sets"),
    [
        (pytest.mark.parametrize("k", [1, pytest.param(2, id="two")]), [{"k": 1}, {"k": 2}]),
        (pytest.mark.parametrize("k, share", [(1, 0.5), pytest.param(2, 0.1)]), TWO),  # noqa: PT006
        (pytest.mark.parametrize(argnames=["k"], argvalues=[3], ids=["three"]), [{"k": 3}]),  # noqa: PT006
        (pytest.mark.filterwarnings("ignore"), [{}]),
    ],
)
def test_parameters_are_read_as_pytest_reads_them(
    mark: pytest.MarkDecorator, sets: list[dict[str, object]]
) -> None:
    assert parameters([mark.mark]) == sets


def test_a_misspelt_one_is_one_sentence() -> None:
    with pytest.raises(
        UsageError, match=r"has no audit 'mask_agrement'; did you mean 'mask_agreement'\?$"
    ):
        audit_functions(SUITE, "mask_agrement")


def test_every_shipped_audit_has_a_row_in_both_populations() -> None:
    from shortcut_audit.scenario import load_scenario

    for name in ("calibration", "calibration_photographs"):
        scenario = load_scenario(SUITE.parent / f"fixtures/{name}.yaml")
        assert scenario.calibration is not None
        # docs/discovery.md, smallest_decoy.md and attributes.md measure these, which a scenario
        # switches on
        left = {"unknown_shortcuts", "smallest_decoy"}
        left |= {"natural_insertion", "natural_need", "natural_removal", "worst_group"}
        # it has no pictures without a class
        left |= {"decoy_only"} if name == "calibration_photographs" else set()
        assert {*SHIPPED} - left <= {*scenario.blocking, *scenario.calibration.supporting}
