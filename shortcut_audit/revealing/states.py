"""What the audit on the validation pictures says of a thing that was proposed, in one word."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from shortcut_audit.discovery.search import FEWEST_PEERS
from shortcut_audit.records import Judgement, Verdict


class State(StrEnum):
    """Of one thing in one model, the worst first."""

    CONFIRMED = "confirmed"
    SHARED = "shared"
    UNCOMPARED = "not compared"
    NOT_CONFIRMED = "not confirmed"


def state_of(own: Judgement, peers: Sequence[Judgement]) -> State:
    """How the thing stands in one model.

    CONFIRMED: the effect is VIOLATED, held against peers. SHARED: the images show it beyond the
    limit in the model and in at least half of its peers, so that it is VIOLATED in none of them on
    their account. UNCOMPARED: the images show it beyond the limit, and fewer than two other models
    say what is usual. NOT_CONFIRMED: anything else. Law: without peers nothing is CONFIRMED or
    SHARED.

    Args:
        own: of the model in question.
        peers: of the models that it is held against, itself left out.
    """
    if len(peers) < FEWEST_PEERS:
        return State.UNCOMPARED if _beyond(own) else State.NOT_CONFIRMED
    if own.verdict is Verdict.VIOLATED:
        return State.CONFIRMED
    alike = sum(_beyond(peer) for peer in peers)
    if _beyond(own) and 2 * alike >= len(peers):
        return State.SHARED
    return State.NOT_CONFIRMED


def _beyond(judgement: Judgement) -> bool:
    """Whether the images alone show an effect beyond the limit."""
    return judgement.estimate.low > judgement.limit
