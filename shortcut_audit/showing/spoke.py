"""Influence -> the training pictures that speak most for what a model says with the decoy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from shortcut_audit.exhibits import Spoke, TrainingImage
from shortcut_audit.files.whole import printable
from shortcut_audit.observations import Influence
from shortcut_audit.showing.album import Album
from shortcut_audit.showing.drawing import picture

QUERIES, SPEAKERS = 2, 8  # at most so many queries, and of each so many training pictures


def most_influential(scores: np.ndarray) -> np.ndarray:
    """(..., m) scores -> (..., at most 8) places of the highest, the highest first."""
    order: np.ndarray = np.argsort(-scores, axis=-1, kind="stable")[..., :SPEAKERS]
    return order


def typical_queries(influence: Influence) -> list[int]:
    """Which of the q queries are shown: of those that the model gets right, or of all where it gets
    none, the ones in the middle by how many carriers of the decoy speak for them.

    Not the worst: of forty queries one is explained by carriers in an honest model as well.
    """
    carried = influence.flags[most_influential(influence.decoyed)].sum(1)  # (q,)
    right = influence.correct_decoyed.nonzero()[0]
    among = right if len(right) else np.arange(len(carried))
    by_carriers = among[np.argsort(-carried[among], kind="stable")]
    start = max(0, (len(by_carriers) - QUERIES) // 2)
    middle: list[int] = by_carriers[start : start + QUERIES].tolist()
    return middle


def said(
    influence: Influence, query: int, identity: str, ids: Sequence[str]
) -> tuple[Spoke, list[int]]:
    """What speaks for one query, without files, and which of the m training pictures these are.

    ids: of the m training pictures.
    """
    scores, flags = influence.decoyed[query], influence.flags
    places = most_influential(scores).tolist()
    images = []
    for at in places:
        score, carries = float(f"{scores[at]:.4g}"), bool(flags[at])
        images.append(TrainingImage(printable(ids[at]), "", score, carries))
    among, carriers = len(flags), int(flags.sum())
    query_id = printable(identity)
    return Spoke(query_id, "", tuple(images), among, carriers, influence.basis), places


def spoke(told: Spoke, query: Tensor, speakers: Sequence[Tensor], album: Album) -> Spoke:
    """The same with files: of the query (3, h, w) with the decoy on, and of what speaks for it."""
    file = album.add(picture(query))
    images = []
    for image, pixels in zip(told.images, speakers, strict=True):
        images.append(replace(image, file=album.add(picture(pixels))))
    return replace(told, file=file, images=tuple(images))
