"""Training pictures, the models of a run -> what may be a shortcut in each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from shortcut_audit import registry
from shortcut_audit.contracts import Proposer
from shortcut_audit.discovery.families.family import Family
from shortcut_audit.discovery.families.kept import as_arrays, from_arrays
from shortcut_audit.discovery.families.merging import merged, same
from shortcut_audit.discovery.families.ranking import ranked
from shortcut_audit.discovery.ground import Ground
from shortcut_audit.discovery.parts import Parts, halves
from shortcut_audit.discovery.proposal import Proposal
from shortcut_audit.errors import ModelError, UsageError, did_you_mean
from shortcut_audit.evidence.answers import Answers
from shortcut_audit.evidence.each_label import answers_each, refuse_each_label
from shortcut_audit.files.sources import code_of, our_code
from shortcut_audit.files.store import Arrays
from shortcut_audit.remembered import remembered
from shortcut_audit.settings import Discover
from shortcut_audit.subjects.manifest.references import references_for
from shortcut_audit.subjects.pictures.record import in_memory

ROOMS = ("discovery",)  # of this package, beside those that an answer depends on
ALIKE = 0.5  # of the pictures: what turns so many is proposed, whatever it does in peers
FEWEST_PEERS = 2  # models, or nothing is said of the one in question
PEERS = 4  # models at most that a search asks beside the one in question


@dataclass(eq=False)
class Discovery:
    """The searches of a run; what one of them found is kept in the store.

    It looks at training pictures alone: the validation pictures are for those who confirm.
    """

    answers: Answers
    settings: Discover
    _failed: dict[str, ModelError | UsageError] = field(default_factory=dict, init=False)

    @remembered
    def families(self, model: str) -> tuple[Family, ...]:
        """Everything that was tried in this model, worst first; not all of it is proposed.

        Raises:
            ModelError, UsageError: the model cannot be asked. DataError: too few training pictures.
        """
        answers, size = self.answers, self.answers.described(model).size
        refuse_each_label(answers.described(model), "the search for what nobody named")
        training = answers.material.pictures("train", size)
        peers = self.peers(model)
        key: dict[str, object] = {
            "training": training.digest,
            "name": model,  # a checkpoint may be renamed, and the sentences name it
            "peers": {peer: answers.digest(peer) for peer in peers},
            "settings": self.settings.model_dump(mode="json"),
            "code": [our_code(ROOMS), *(code_of(type(each)) for each in self._proposers())],
        }

        def search() -> Arrays:
            parts = self.parts(size)
            able = self._able(model, parts)
            ground = Ground(parts, self.targets(), answers, model, able)
            found = self._proposals_of_pictures(size)
            found = [*found, *self._proposals(ground, of_models=True)]
            families = merged(found, ground.parts.search, self.settings.tried)
            report = partial(answers.progress, f"what is proposed, in {model}")
            return as_arrays(ranked(families, ground, self.settings.hosts, report))

        return from_arrays(answers.stored("discovery", model, key, search))

    def proposed(self, model: str) -> list[Family]:
        """Those that are to be confirmed or not: they recur, and turn pictures beyond any peer.

        Where the settings ask for what is shared, so is what turns most of them in the peers as
        well, one of each class: it may be a part of the object, or a shortcut that all learned.
        Nothing where there is no peer: a part of the object turns pictures in an honest model too.
        """
        asked, found = self.settings, []
        families = [each for each in self.families(model) if each.compared]
        recurring = [each for each in families if each.recurs >= asked.recurs]
        for target in self.answers.material.classes:
            of_class = [each for each in recurring if each.target == target]
            far = [each for each in of_class if each.beyond >= asked.beyond]
            alike = [each for each in of_class if each not in far and each.own >= ALIKE]
            most = sorted(alike, key=lambda each: -each.own)[: int(asked.shared)]
            found += [*far[: asked.most], *most]
        return found

    @remembered
    def named(self) -> dict[str, Family]:
        """What was proposed in any model, each thing once, under the name of its decoy.

        Raises:
            UsageError: a class or a proposer that is none. DataError: too few training pictures.
        """
        self.targets()  # the scenario's own mistakes are no model's
        self._proposers()
        found: dict[str, Family] = {}
        for model in self.searched():
            for family in self._proposed_if_searched(model):
                if not any(same(family, known) for known in found.values()):
                    count = sum(known.target == family.target for known in found.values())
                    found[f"unnamed_{family.target}_{count + 1}"] = family
        return found

    def check(self, model: str) -> None:
        """Makes sure that the run's searches say something of this model.

        Raises:
            ModelError, UsageError: its search failed, or all did, so that nothing was looked for;
                or it has fewer than two peers, and nothing tells a shortcut from a part.
        """
        self.named()
        if model in self._failed:
            raise self._failed[model]
        if self._failed and len(self._failed) == len(self.searched()):
            raise next(iter(self._failed.values()))
        size, count = self.answers.described(model).size, len(self.peers(model))
        searched = model in self.searched() and not self.settings.shared
        if searched and count < FEWEST_PEERS:
            raise UsageError(
                f"shortcuts in {model} cannot be told from parts of the object: "
                f"{count or 'no'} other model{'' if count == 1 else 's'} of {size} pixels "
                f"can be compared with it; add {FEWEST_PEERS} or more of the same training"
            )

    def searched(self) -> list[str]:
        """The models that are searched: those that are no references, or all where none is left."""
        every = list(self.answers.candidates.values())
        others = [each.name for each in every if not each.reference]
        return others or [each.name for each in every]

    def peers(self, model: str) -> tuple[str, ...]:
        """Models of the same input size that say what honest training gives.

        They are references, where any has that size, else the other models of the set.
        """
        size, every = self.answers.described(model).size, self.answers.candidates.items()
        asked = {name: each for name, each in every if not each.problem and each.size == size}
        fitting = {name: each for name, each in asked.items() if not answers_each(each)}
        named = [name for name in references_for((model,), fitting) if name != model]
        return tuple(named or [name for name in fitting if name != model])

    @remembered
    def parts(self, size: int) -> Parts:
        """The training pictures in two halves."""
        training = in_memory(self.answers.material.pictures("train", size))
        return halves(training, self.targets())

    def targets(self) -> tuple[int, ...]:
        """The classes in question, as labels.

        Raises:
            UsageError: the scenario asks for what is no class.
        """
        classes = self.answers.material.classes
        for name in self.settings.classes:
            if name not in classes:
                raise UsageError(
                    f"shortcuts into '{name}' cannot be sought: it is no class of the data set"
                    f"{did_you_mean(name, classes)}"
                )
        wanted = self.settings.classes or classes
        return tuple(classes.index(name) for name in wanted)

    @remembered
    def _proposals_of_pictures(self, size: int) -> list[Proposal]:
        """What the pictures alone betray: the same for each model that takes them at this size."""
        ground = Ground(self.parts(size), self.targets(), self.answers, "", ())
        return self._proposals(ground, of_models=False)

    def _proposals(self, ground: Ground, of_models: bool) -> list[Proposal]:
        found: list[Proposal] = []
        for name, proposer in zip(self.settings.proposers, self._proposers(), strict=True):
            if proposer.of_models is of_models:
                where = f" in {ground.model}" if ground.model else " in the pictures"
                report = partial(self.answers.progress, f"{name.replace('_', ' ')}{where}")
                found += proposer.propose(ground, report)
        return found

    @remembered
    def _proposers(self) -> list[Proposer]:
        asked = self.settings.proposers.items()
        return [registry.build("proposer", name, options) for name, options in asked]

    def _able(self, model: str, parts: Parts) -> tuple[str, ...]:
        """The first peers that can be asked, PEERS at most."""
        fitting = (peer for peer in self.peers(model) if self._answers(peer, parts))
        return tuple(islice(fitting, PEERS))

    def _answers(self, peer: str, parts: Parts) -> bool:
        """Whether the peer can be asked: one that is broken must not end another model's search."""
        try:
            self.answers.logits(peer, parts.search.pixels)
        except (ModelError, UsageError):
            return False
        return True

    def _proposed_if_searched(self, model: str) -> Iterator[Family]:
        """Nothing of a model whose search failed: `check` says why."""
        try:
            yield from self.proposed(model)
        except (ModelError, UsageError) as error:
            self._failed[model] = error
