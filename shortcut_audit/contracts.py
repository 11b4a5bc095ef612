"""What an entry of the registry must be able to do: one Protocol for each kind.

Every entry is a frozen dataclass whose fields are its options, and which can be built without any.
The same letters as in `records`: n images, k classes, h x w pixels, m training images, q queries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from shortcut_audit.discovery.ground import Ground as Search
    from shortcut_audit.discovery.proposal import Proposal
    from shortcut_audit.gathering.site import Done, Site
    from shortcut_audit.gathering.tasks import Task
    from shortcut_audit.records import Decoyed, Labelled, Pictures, Report
    from shortcut_audit.study.ground import Ground
    from shortcut_audit.study.sections import Section

Progress = Callable[[int, int], None]  # done, total


class Dataset(Protocol):
    """Where pictures come from.

    It may also have `class_counts(split) -> dict[class, count]`, which counts without opening a
    picture, so that the header of a run can say how small an effect so many can show. In its class
    it may say `counts_once = True`, where it makes sure itself that no picture counts twice, and
    `frames = True`, where it honours every `InputSize`.
    """

    @property
    def classes(self) -> Sequence[str]:
        """The k classes, in the order of the labels."""

    def load(self, split: str, size: int) -> Pictures:
        """The pictures of `train`, `validation` or `background`, size x size pixels.

        Where its class says `frames`, the size may be an `InputSize`, and the pictures are framed
        as that says; where it does not, the size is an int, and what a model sees is the middle of
        the squares.

        Laws: the same pictures in the same order each time; `ids` survive a re-ordering of files;
        a file that cannot be read is named in `broken` and left out; `background` may be empty.
        Where several classes may be on a picture, `shown` says which, and `labels` are -1. No group
        is in two splits.

        Raises:
            DataError, UsageError: nothing can be read; says what was looked for, and where.
        """


class Decoy(Protocol):
    """Something that may be on a picture and that has nothing to do with its class."""

    @property
    def target(self) -> str:
        """The class that a model may take it for; the scenario may say `any`."""

    def apply(self, pixels: Tensor, ids: Sequence[str]) -> Decoyed:
        """Puts it, and its neutral control, on pictures (n, 3, h, w) uint8 with these identities.

        Laws: the pictures given are not changed; outside the footprint nothing differs; place and
        variant follow from the identity alone, whatever the batch; the control has the same place,
        footprint and opacity, and no content.
        """


class Architecture(Protocol):
    """A source of networks: `NAME` of `torchvision:NAME`.

    It may also have `own_names(network) -> dict[str, str]`: names of tensors as its library writes
    them -> as the network calls them, where these differ.
    """

    def names(self) -> list[str]:
        """What may stand behind the colon, sorted.

        Raises:
            UsageError: an optional library is not installed; says how to install it.
        """

    def fitting(self, name: str, size: int, options: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments that build it for square pictures of this side in pixels."""

    def build(self, name: str, classes: int, **options: Any) -> nn.Module:
        """A network with random weights: normalised images (n, 3, h, w) -> logits (n, classes)."""


class CheckpointFormat(Protocol):
    """A kind of file. Law: reading never runs code that is in the file, unless it says so.

    It may also have
    `runs_code = True` in its class: reading runs what is in the file, which needs the user's trust;
    `recognises(path) -> bool`: whether a file with such a name is one, where another format, or no
        format at all, has the same suffix; it never raises;
    `files(path) -> tuple[Path, ...]`: the other files in its folder that belong to the model, which
        count in its digest; raises as `metadata` does;
    `program(path) -> nn.Module`: the network itself, images (n, c, h, w) normalised -> logits or
        what they are found in; then `metadata` says `arch: program:NAME`, NAME being the format's,
        no architecture is asked for and `read` may be left out;
    `words(path) -> dict`: what the file says beside `metadata`, to be held against the manifest.
    """

    suffixes: ClassVar[tuple[str, ...]]  # such as (".pt", ".pth")

    def metadata(self, path: Path) -> dict[str, str]:
        """What the file says of itself.

        Raises:
            ModelError: the file is corrupt. UsageError, MachineError: it cannot be had.
        """

    def read(self, path: Path) -> dict[str, Tensor]:
        """The tensors by name, on the CPU; raises as `metadata` does."""


class Explainer(Protocol):
    """Says which pixels a network needs to see."""

    def explain(
        self,
        network: nn.Module,
        images: Tensor,
        targets: Tensor,
        area: float,
        report: Progress | None = None,
    ) -> Tensor:
        """Images (n, 3, h, w) float32 in [0, 1], classes (n,) -> saliency (n, h, w) >= 0.

        area: the share of the pixels that will be revealed, for explainers that search for it.
        Laws: each image on its own, whatever the batch; the same each time; the network is given
        back as it was.
        """


class InfluenceMethod(Protocol):
    """Says how much each training image speaks for each query."""

    def scores(
        self,
        network: nn.Module,
        queries: Labelled,
        training: Labelled,
        report: Progress | None = None,
    ) -> np.ndarray:
        """q queries and m training images -> (q, m) float32; the higher, the more it speaks for it.

        It may also have `basis(network, example) -> str`, which says in words what the scores
        compare, as one labelled image shows it. With `streams = True` in its class the training
        images are `Rows` instead of a tensor: it takes a slice at a time, so that memory does not
        grow with m. Law: the network is given back as it was.
        """


class Proposer(Protocol):
    """Looks for what a model may take for a class; it proposes, and never decides."""

    of_models: ClassVar[bool]  # whether it asks models; else the pictures are all that it looks at

    def propose(self, search: Search, report: Progress | None = None) -> Sequence[Proposal]:
        """What stands out on training pictures, the likeliest first; empty where nothing does.

        Laws: it searches on one half of the pictures and scores on the other; the same each time;
        the models are given back as they were.
        """


class Reporter(Protocol):
    """Writes one file of a report."""

    @property
    def name(self) -> str:
        """The file's name in the folder of reports."""

    def write(self, report: Report, folder: Path) -> Path:
        """Writes the file, whole or not at all, and returns its path.

        Trouble withdraws the whole report, unless it is one of ours that only shows.
        """


class Engine(Protocol):
    """Has tasks of evidence done, by whatever processes and machines it has."""

    def run(self, tasks: Sequence[Task], site: Site) -> Iterator[Done]:
        """Each task as it is done, in no order; the evidence is in the site's store by then.

        Laws: each task is tried; a task whose worker died is tried again elsewhere; what is in the
        store is not computed again.

        Raises:
            UsageError: the machines cannot be had, or do not see the store; says what to do.
        """


class Experiment(Protocol):
    """One part of the study: a table or figure of the thesis with one's own numbers."""

    title: ClassVar[str]
    source: ClassVar[str]  # where the thesis has it, such as "section 4.1, figures 4.2 and 4.3"

    def run(self, ground: Ground) -> Section:
        """Measures what is missing and returns the section of the page."""
