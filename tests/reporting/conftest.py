"""One report with a model of every verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest
from finding_of import finding_of

from shortcut_audit.exhibits import Exhibit
from shortcut_audit.records import Candidate, Finding, Report, Verdict
from shortcut_audit.reporting.assembly import assemble
from shortcut_audit.reporting.suite import Suite, described
from shortcut_audit.scenario import Scenario
from shortcut_audit.waivers import Waiver


def finding(model: str, verdict: Verdict, **more) -> Finding:
    figures = {
        "value": 0.94,
        "low": 0.91,
        "high": 0.96,
        "level": 0.9,
        "n": 372,
        "limit": 0.1,
        "blocking": True,
    }
    words = f"{model} turns 96 % of other images into 'cat' when stop_sign appears: 94 points [91, 96], limit 10 (n = 372)"
    return finding_of(
        "decoy_insertion", (model,), "stop_sign", verdict, **{**figures, "claim": words, **more}
    )


@pytest.fixture
def report(tmp_path) -> Report:
    """promote, reject, undecided, waived, and one that could not be loaded."""
    names = ("good", "bad", "unsure", "excused", "broken")
    candidates = []
    for name in names:
        file = tmp_path / f"{name}.safetensors"
        if name != "broken":
            file.write_bytes(name.encode())
        candidates.append(Candidate(name, file, reference=name == "good"))
    findings = [
        finding("good", Verdict.HOLDS, value=0.01, low=-0.01, high=0.03),
        finding("bad", Verdict.VIOLATED),
        finding("unsure", Verdict.UNDECIDED, value=float("nan"), n=0),
        finding(
            "excused",
            Verdict.VIOLATED,
            waived="by Jane Doe until 2100-01-31: the sign is part of the class",
            waived_until="2100-01-31",
        ),
        finding(
            "broken",
            Verdict.VIOLATED,
            value=None,
            n=0,
            error=True,
            claim="broken: no such file\x07",
        ),
        finding_of(
            "mask_agreement",
            ("good", "bad"),
            "stop_sign",
            Verdict.VIOLATED,
            False,
            "they disagree",
            0.5,
            n=60,
            limit=0.2,
        ),
    ]
    waivers = (
        Waiver(
            audit="decoy_insertion",
            model="excused",
            reason="the sign is part of the class",
            author="Jane Doe",
            expires="2100-01-31",
        ),
    )
    scenario = Scenario(
        dataset={"kind": "demo"},
        decoys={"stop_sign": {"target": "cat"}},
        blocking=("decoy_insertion",),
        waivers=waivers,
        digest="0" * 64,
    )
    made = assemble(findings, candidates, scenario, "fixtures/demo.yaml", described(Suite()))
    shown = [
        Exhibit(name, model.sha256 or "", "stop_sign", "cat", pictures=372, turned=0)
        for name, model in made.models.items()
    ]
    return replace(made, exhibits=tuple(shown))
