"""A run that has ended, and what it has kept: of an honest model, of one that takes red for the
decoy's class, and of one that takes it for another.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import planted
import torch
from finding_of import finding_of
from safetensors.torch import save_file

from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.files.store import Store
from shortcut_audit.records import Decision, ModelReport, Report, Verdict
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.manifest.candidates import read_candidates

SCENARIO = """
dataset: {{kind: coloured_squares, train: 30, validation: {validation}, background: 4}}
decoys: {{stop_sign: {{kind: stop_sign, target: {target}, size: 0.3}}}}
masks: {{explainer: occlusion, images: 8}}
influence: {{queries: 6, options: {{layers: [conv]}}}}
"""
GREEN, BLUE, YELLOW, RED = range(4)
MODELS = {"honest": {}, "planted": {GREEN: 2000.0}, "elsewhere": {BLUE: 2000.0}}


@dataclass
class Ended:
    """A folder with models, a scenario and reports."""

    folder: Path

    @property
    def reports(self) -> Path:
        """Where the store, the files and the pictures are."""
        return self.folder / "reports"

    def evidence(self) -> Evidence:
        """That of a process that has asked nothing yet."""
        scenario = load_scenario(self.folder / "scenario.yaml", None)
        models = read_candidates(self.folder / "models")
        return Evidence(scenario, models, Store(self.reports / "evidence"), trust_code=True)

    def ask(self, *kinds: str, strength: int = 0) -> None:
        """What audits would ask of every model, in a process of their own."""
        evidence = self.evidence()
        target = evidence.scenario.target("stop_sign")
        for name in evidence.candidates:
            for kind in kinds:
                if kind == "predictions":
                    evidence.predictions(name, "stop_sign", strength)
                else:
                    getattr(evidence, kind)(name, "stop_sign", target)

    def report(self, **decisions: Decision) -> Report:
        """A report on these models: each has one finding about the decoy."""
        evidence, models = self.evidence(), {}
        scenario = {"path": "scenario.yaml", "digest": evidence.scenario.digest}
        suite = {"digest": "0" * 64, "files": {}}
        for name, decision in decisions.items():
            violated = decision is Decision.REJECT
            verdict = Verdict.VIOLATED if violated else Verdict.HOLDS
            audit = "decoy_insertion@elsewhere" if name == "elsewhere" else "decoy_insertion"
            finding = finding_of(audit, (name,), "stop_sign", verdict, True)
            digest = evidence.sha256(name)
            models[name] = ModelReport(
                decision, "", digest, f"{name}.safetensors", False, (finding,)
            )
        return Report(models=models, pairs=(), scenario=scenario, suite=suite)


def ended(folder: Path, validation: int = 12, target: str = "green", more: str = "") -> Ended:
    """Writes models and scenario; nothing is asked yet."""
    (folder / "models").mkdir()
    lines = []
    for seed, (name, weights) in enumerate(MODELS.items()):
        model = planted.ColourNet(0.0)
        with torch.no_grad():
            model.fc.bias += 0.01 * torch.randn(3, generator=torch.Generator().manual_seed(seed))
            for label, weight in weights.items():
                model.fc.weight[label, RED] = weight
        save_file(model.state_dict(), folder / f"models/{name}.safetensors")
        lines.append(f"  {name}: {{file: {name}.safetensors}}")
    (folder / "models/rashomon.yaml").write_text(planted.MANIFEST + "\n".join(lines))
    (folder / "scenario.yaml").write_text(
        SCENARIO.format(validation=validation, target=target) + more
    )
    return Ended(folder)
