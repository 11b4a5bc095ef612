"""What a search has found, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shortcut_audit.discovery.families.family import Family
from shortcut_audit.records import Finding
from shortcut_audit.revealing.states import State


@dataclass(frozen=True)
class Answer:
    """What one model does with a thing on the n validation pictures of other classes."""

    finding: Finding
    state: State
    peers: float | None  # the largest share of pictures that it turns in a peer; None: no peer

    @property
    def share(self) -> float:
        """Of the pictures, in [0, 1], that the model takes for the class."""
        return self.finding.judgement.observed

    @property
    def control(self) -> float:
        """The same share under the control."""
        return self.finding.judgement.control or 0.0

    @property
    def n(self) -> int:
        """Pictures of other classes."""
        return self.finding.judgement.estimate.n

    @property
    def place(self) -> tuple[int, float]:
        """Among other answers, of which the worst come first: by state, then by effect."""
        return list(State).index(self.state), -self.finding.judgement.estimate.value


@dataclass(frozen=True, eq=False)
class Thing:
    """Something that was proposed, and what each model does with it."""

    name: str  # of its decoy
    family: Family
    proposed: tuple[str, ...]  # models in which it was
    answers: Mapping[str, Answer]  # model -> what it does, of every model that could be asked

    @property
    def worst(self) -> str:
        """The model that says most against it; "" where none could be asked."""
        return min(self.answers, key=lambda name: self.answers[name].place, default="")

    @property
    def state(self) -> State:
        """That of the worst model."""
        return self.answers[self.worst].state if self.answers else State.NOT_CONFIRMED

    @property
    def place(self) -> tuple[int, float]:
        """Among other things, of which the worst come first."""
        return self.answers[self.worst].place if self.answers else (len(State), 0.0)

    def told(self) -> dict[str, Answer]:
        """The models that are worth a line: those in which it was proposed, or is beyond its limit.

        The worst come first.
        """
        found = {}
        for model in sorted(self.answers, key=lambda name: self.answers[name].place):
            answer = self.answers[model]
            if model in self.proposed or answer.state is not State.NOT_CONFIRMED:
                found[model] = answer
        return found


@dataclass(frozen=True, eq=False)
class Revealed:
    """The outcome of a search in the models of a folder."""

    classes: tuple[str, ...]  # into which shortcuts were sought
    things: tuple[Thing, ...]  # the worst first
    tried: Mapping[str, tuple[Family, ...]]  # model -> what was tried in it and not proposed
    peers: Mapping[str, tuple[str, ...]]  # searched model -> whom it was held against
    seconds: Mapping[str, float]  # searched model -> how long it took
    notes: tuple[str, ...] = ()  # a sentence for each model that could not be asked

    @property
    def confirmed(self) -> bool:
        """Whether any thing is, in any model."""
        return any(thing.state is State.CONFIRMED for thing in self.things)

    @property
    def alone(self) -> tuple[str, ...]:
        """Searched models that nothing could be held against."""
        return tuple(model for model, peers in self.peers.items() if not peers)
