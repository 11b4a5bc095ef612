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


@dataclass(frozen=True, eq=False)
class Thing:
    """Something that was proposed, and what each model does with it."""

    name: str  # of its decoy
    family: Family
    proposed: tuple[str, ...]  # models in which it was
    answers: Mapping[str, Answer]  # model -> what it does, of every model that could be asked

    @property
    def state(self) -> State:
        """The worst of all models."""
        order = list(State)
        found = [order.index(each.state) for each in self.answers.values()]
        return order[min(found)] if found else State.NOT_CONFIRMED

    @property
    def worst(self) -> str:
        """The model that says most against it: by its state, then by the effect."""
        order = list(State)
        return min(
            self.answers,
            key=lambda name: (
                order.index(self.answers[name].state),
                -self.answers[name].finding.judgement.estimate.value,
            ),
        )

    def told(self) -> dict[str, Answer]:
        """The models that are worth a line: those in which it was proposed, or is beyond its limit.

        The worst come first.
        """
        order, found = list(State), {}
        ranked = sorted(
            self.answers.items(),
            key=lambda each: (order.index(each[1].state), -each[1].share),
        )
        for model, answer in ranked:
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
