"""Chapter 5 of the thesis on the demo set: python benchmarks/influence_demo.py checkpoints
[--scenario fixtures/demo.yaml]

For the first decoy of the scenario and each model trained on it or on none. Writes a section of
docs/influence.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from influence_page import table, write_section
from torch import Tensor

from shortcut_audit.evidence.gradients.gram import Gram, gradient_gram
from shortcut_audit.measures.clusters import association, cluster_table, spectral_clusters
from shortcut_audit.measures.rankings import base_rate, permuted_precision, precision_at_k
from shortcut_audit.records import Candidate, Labelled
from shortcut_audit.scenario import load_scenario
from shortcut_audit.study.layers import parts, subsets
from shortcut_audit.subjects.decoying.coverage import covered
from shortcut_audit.subjects.loading.subject import load_subject
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.subjects.pictures.material import Material

K, QUERIES = 50, 40


class Demo:
    """The pictures of the decoy's class that every model is asked about."""

    def __init__(self, material: Material, decoy: str, size: int) -> None:
        self.target = material.named_decoy(decoy).target_index
        members = material.members(decoy, "validation", size)
        pictures = material.pictures("validation", size)
        self.ids = [pictures.ids[at] for at in members]
        self.plain = pictures.pixels[members]  # (n, 3, h, w) uint8
        self.decoyed = material.with_decoy(decoy, "validation", size).decoyed[members]
        self.training, self.flags = material.partly_decoyed(
            decoy, size, material.scenario.influence.coverage
        )

    def gram(self, network: torch.nn.Module, queries: Tensor, training: Tensor) -> Gram:
        """One pass for all parts of the network."""
        return gradient_gram(
            network, self.labelled(queries), self.labelled(training), parts(network)
        )

    def labelled(self, images: Tensor) -> Labelled:
        """These images (n, 3, h, w), all of the decoy's class."""
        return Labelled(images, torch.full((len(images),), self.target))

    def precisions(self, network: torch.nn.Module) -> list[str]:
        """For each subset of layers: precision at K of queries with the decoy / without; * where
        the first is beyond chance.
        """
        gram = self.gram(
            network, torch.cat([self.decoyed[:QUERIES], self.plain[:QUERIES]]), self.training
        )
        cells = []
        for subset in subsets(gram.groups):
            scores = np.split(gram.cosine(subset).double().numpy(), 2)
            mean = [float(np.nanmean(precision_at_k(each, self.flags, K))) for each in scores]
            chance = permuted_precision(scores[0], self.flags, K, draws=1000, seed=0)
            star = "\\*" if (chance >= mean[0]).mean() < 0.01 else ""
            cells.append(f"{mean[0]:.2f}{star} / {mean[1]:.2f}")
        return cells

    def clusters(self, coverage: float) -> Callable[[torch.nn.Module], list[str]]:
        """For each subset of layers: with / without the decoy in two clusters of the validation
        pictures, and their agreement.
        """
        flags = covered(self.ids, coverage)
        pixels = torch.where(torch.from_numpy(flags)[:, None, None, None], self.decoyed, self.plain)

        def cells(network: torch.nn.Module) -> list[str]:
            gram = self.gram(network, pixels, pixels)
            found = []
            for subset in subsets(gram.groups):
                labels = spectral_clusters(gram.cosine(subset).double().numpy())
                counts = cluster_table(labels, flags)
                agreement, p = association(counts)
                found.append(
                    f"{'; '.join(f'{a}/{b}' for a, b in counts)}; {agreement:.2f} (p {p:.1g})"
                )
            return found

        return cells


def chosen(candidates: list[Candidate]) -> list[Candidate]:
    """The first seed of each coverage, by coverage: `shortcut-audit train` names the first decoy's
    models F25-s0 and so on.
    """
    first = [each for each in candidates if each.name.startswith("F") and each.name.endswith("-s0")]
    return sorted(first, key=lambda each: int(each.name[1:].partition("-")[0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoints", type=Path)
    parser.add_argument("--scenario", type=Path, default=Path("fixtures/demo.yaml"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    scenario = load_scenario(options.scenario)
    material, decoy = Material(scenario), next(iter(scenario.decoys))
    candidates = chosen(read_candidates(options.checkpoints))
    demo = Demo(material, decoy, candidates[0].size)
    networks = {each.name: load_subject(each, material.classes).network for each in candidates}
    names = [
        ("+ " if at else "") + name for at, name in enumerate(parts(next(iter(networks.values()))))
    ]

    def measured(cells: Callable[[torch.nn.Module], list[str]]) -> list[str]:
        columns = {name: cells(network) for name, network in networks.items()}
        rows = table(
            ("layers", *columns),
            ([name, *row] for name, *row in zip(names, *columns.values(), strict=True)),
        )
        print(*rows, sep="\n", flush=True)
        return rows

    share = base_rate(demo.flags)
    lines = [
        f"`python benchmarks/influence_demo.py checkpoints`: decoy {decoy}, {len(demo.training)} training pictures of its class,",
        f"of which {share:.0%} carry the decoy. The scalar is the class's logit; each row adds layers to the one above.",
        "",
        f"Precision at {K}, mean of {QUERIES} queries with the decoy / the same without; the base rate is {share:.2f};",
        "\\* where queries with the decoy are beyond chance (p < 0.01, 1000 permutations of the flags over the training set):",
        "",
        *measured(demo.precisions),
    ]
    for coverage in (0.2, 0.5):
        lines += [
            "",
            f"Table 5.1, the decoy on {coverage:.0%} of {len(demo.ids)} validation pictures: with / without, first cluster;",
            "second cluster; adjusted mutual information of clusters and decoy (0 is chance, 1 identity); Fisher's exact p:",
            "",
            *measured(demo.clusters(coverage)),
        ]
    write_section("Chapter 5 on the demo set", lines)


if __name__ == "__main__":
    main()
