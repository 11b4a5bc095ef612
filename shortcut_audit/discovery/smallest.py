"""A model and a named decoy -> the smallest and faintest form of it that turns pictures, and what
that form does elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from shortcut_audit.discovery.forms import EXAMPLES, Forms, faintest
from shortcut_audit.errors import ModelError, UsageError
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.evidence.each_label import groups, refuse_each_label
from shortcut_audit.files.sources import code_of, our_code
from shortcut_audit.files.store import Arrays
from shortcut_audit.records import Decoyed
from shortcut_audit.rows import rows_digest
from shortcut_audit.subjects.decoying.coverage import covered
from shortcut_audit.subjects.decoying.laid import Laid
from shortcut_audit.subjects.decoying.pasting import Pasted

PANEL = 32  # pictures on which forms are tried
LEAST = 8  # on fewer than these nothing is sought
# What half of the pictures give in to is the dose of the median picture, the best known point of
# a dose-response curve. A lower share would be that of the few pictures that nearly turn anyway.
HALF = 0.5
SMALL = 0.10  # of the panel may turn under the control
# A form that turns none of every fourth picture is asked no further: one that turns half of 32
# pictures gets lost so once in 250 times.
FEW = 4


@dataclass(frozen=True, eq=False)
class SmallestDecoy:
    """What the search found on one half of the pictures of other classes, and what that form does
    on the other half. Only pictures count that the model gets right.

    Without a form `why` says why: nothing was found, or nothing could be sought.
    """

    model: str
    decoy: str
    target: str
    form: Laid | None = None
    why: str = ""
    tried: int = 0  # forms that the model was asked about
    panel: int = 0  # pictures that were searched on
    flipped: float = np.nan  # share of them in [0, 1] that the form turns into the target
    under_control: float = np.nan  # the same, under the form's control
    # (m,) bool: the same of each picture that the search never saw
    pictures: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # (m,) which ones
    turned: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    turned_by_control: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    groups: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # (m,)
    # reference model -> share of those of the m pictures that it gets right, turned by this form
    references: dict[str, float] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """`2 copies of size 0.08 at opacity 0.6, turned by 15 degrees; at most 2 % in reference
        models`; "" without a form.
        """
        if self.form is None:
            return ""
        copies, copy = len(self.form.places), self.form.decoy
        said = f"{copies} copies" if copies > 1 else "one"
        said += f" of size {copy.size:.2g} at opacity {copy.opacity:.2g}"
        if self.form.rotation:
            said += f", turned by {self.form.rotation} degrees"
        if self.references:
            said += f"; at most {100 * max(self.references.values()):.0f} % in reference models"
        return said


def smallest_decoy(
    evidence: Evidence, model: str, decoy: str, target: str | None = None
) -> SmallestDecoy:
    """Searches the forms of a decoy for the faintest that turns half of the panel into the decoy's
    class (or `target`), and at most SMALL of it under its control. The search is kept in the store.

    Laws: the form does so; `turned` is about other pictures than the search; a kept search asks no
    network; it is the same in every process.
    """
    named = evidence.named_decoy(model, decoy, target)
    refuse_each_label(evidence.described(model), "the search for the smallest form of a decoy")
    about = (model, decoy, named.target)
    strengths, size = evidence.material.strengths(decoy), evidence.described(model).size
    if not isinstance(strengths[0], Pasted):
        return SmallestDecoy(*about, why="it has no size, place and number")
    panel, fresh = _panels(evidence, model, named.target_index)
    if len(panel) < LEAST:
        return SmallestDecoy(*about, why=_too_few(len(panel)), panel=len(panel))
    strongest = max(strengths, key=lambda each: each.opacity * each.size**2)
    forms = Forms(strengths[0], strongest, size)
    found = _searched(Trial(evidence, model, named.target_index, panel), forms, decoy)
    draws, tried = tuple(found["draws"].tolist()), int(found["tried"][0])
    if not draws:
        why = (
            f"none of {tried} forms of it turns half of {len(panel)} pictures into "
            f"'{named.target}' where its control does not"
        )
        return SmallestDecoy(*about, why=why, tried=tried, panel=len(panel))
    shown = _on(evidence, size, fresh, forms.laid(draws))
    turned, by_control = (
        evidence.logits(model, pixels).argmax(1) == named.target_index
        for pixels in (shown.decoyed, shown.control)
    )
    return SmallestDecoy(
        *about,
        form=forms.laid(draws),
        tried=tried,
        panel=len(panel),
        flipped=float(found["shares"][0]),
        under_control=float(found["shares"][1]),
        pictures=fresh,
        turned=turned,
        turned_by_control=by_control,
        groups=groups(evidence.material.pictures("validation", size))[fresh],
        references=_in_references(evidence, model, named.target, fresh, shown.decoyed),
    )


def _too_few(found: int) -> str:
    return (
        f"undecided: the model gets {found} of the pictures right that would be searched on; "
        f"{2 * LEAST} pictures of other classes, half of them for the search, would do"
    )


def example(found: SmallestDecoy, picture: Tensor, identity: str) -> tuple[np.ndarray, str]:
    """A picture with the form on it, (h, w, 3) uint8, and the sentence that belongs below it.

    Args:
        found: with a form.
        picture: (3, h, w) uint8.
        identity: the picture's id.

    Raises:
        UsageError: nothing was found that could be shown.
    """
    if found.form is None:
        raise UsageError(
            f"no form of '{found.decoy}' turns {found.model}, so that there is none to show"
        )
    decoyed = found.form.apply(picture[None], [identity]).decoyed[0]
    caption = (
        f"The faintest of {found.tried} forms of {found.decoy} that turns half of other pictures "
        f"into '{found.target}' in {found.model}: {found.words}. It turns "
        f"{100 * found.turned.mean():.0f} % of {len(found.turned)} pictures that the search never "
        f"saw, {100 * found.turned_by_control.mean():.0f} % under its control."
    )
    return decoyed.permute(1, 2, 0).numpy(), caption


@dataclass(frozen=True, eq=False)
class Trial:
    """What a form does to one model on a panel of p validation pictures; nothing of it is kept."""

    evidence: Evidence
    model: str
    target: int  # the column of its logits
    panel: np.ndarray  # (p,) indices

    def does(self, form: Laid) -> bool:
        """Whether the form turns half of the panel, and its control at most SMALL of it."""
        try:
            few = self.laid(form, FEW)
        except UsageError:  # so small that nothing of it can be seen
            return False
        if not self.turned(few.decoyed):
            return False
        flipped, under_control = self.shares(form)
        return flipped >= HALF and under_control <= SMALL

    def shares(self, form: Laid) -> tuple[float, float]:
        """Shares in [0, 1] of the panel that the form, and its control, turn into the target."""
        shown = self.laid(form)
        return self.turned(shown.decoyed), self.turned(shown.control)

    def laid(self, form: Laid, every: int = 1) -> Decoyed:
        """The panel, or one in so many of it, with the form on it."""
        size = self.evidence.described(self.model).size
        return _on(self.evidence, size, self.panel[::every], form)

    def turned(self, pixels: Tensor) -> float:
        """Share in [0, 1] of pixels (p, 3, h, w) that the model takes for the target."""
        answers = self.evidence.answered(self.model, pixels).argmax(1)
        return float((answers == self.target).mean())


def _on(evidence: Evidence, size: int, at: np.ndarray, form: Laid) -> Decoyed:
    """Validation pictures at these indices with a form on them."""
    pictures = evidence.material.pictures("validation", size)
    return form.apply(pictures.pixels[at], [pictures.ids[i] for i in at])


def _panels(evidence: Evidence, model: str, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of validation pictures of other classes that the model gets right: at most PANEL to
    search on, of all classes alike, and those that the search never sees.

    Which half a picture is in follows from its identity, so that it is the same for all models.
    """
    pictures = evidence.material.pictures("validation", evidence.described(model).size)
    others = np.flatnonzero((pictures.labels >= 0) & (pictures.labels != target))
    searched = covered([pictures.ids[i] for i in others], 0.5)
    right = evidence.logits(model, pictures.pixels).argmax(1)[others] == pictures.labels[others]
    panel, fresh = others[searched & right], others[~searched & right]
    if len(panel) > PANEL:
        panel = panel[np.linspace(0, len(panel) - 1, PANEL).astype(int)]
    return panel, fresh


def _searched(trial: Trial, forms: Forms, decoy: str) -> Arrays:
    """`draws` of the form and its `shares` of the panel, both empty where there is none, and how
    many were `tried`: kept.
    """
    evidence, model = trial.evidence, trial.model
    pictures = evidence.material.pictures("validation", forms.side)
    recipe = f"{forms!r}{code_of(type(forms.named))}"
    # what hypothesis keeps outlives a change of our code: a checkpoint's example is tried again
    about = f"{evidence.sha256(model)}/{recipe}/{decoy}/{trial.target}"

    def search() -> Arrays:
        folder = evidence.store.folder / "hypothesis"
        draws, tried = faintest(forms, trial.does, folder, about)
        shares = trial.shares(forms.laid(draws)) if draws else ()
        return {
            "draws": np.array(draws or ()),
            "shares": np.array(shares),
            "tried": np.array([tried]),
        }

    key = {
        "pixels": rows_digest(pictures.pixels),
        "panel": trial.panel.tolist(),
        "target": trial.target,
        "forms": recipe,
        "settings": [EXAMPLES, HALF, SMALL],
        "code": our_code(("discovery",)),
    }
    return evidence.stored("smallest_decoy", model, key, search)


def _in_references(
    evidence: Evidence, model: str, target: str, at: np.ndarray, decoyed: Tensor
) -> dict[str, float]:
    """What the same pictures (m, 3, h, w) do in each reference model that takes this size."""
    size, found = evidence.described(model).size, {}
    pictures = evidence.material.pictures("validation", size)
    for name, candidate in evidence.candidates.items():
        if name == model or not candidate.reference or candidate.size != size:
            continue
        try:
            right = evidence.logits(name, pictures.pixels).argmax(1)[at] == pictures.labels[at]
            index = evidence.outputs(name).index(target)
            turned = evidence.logits(name, decoyed).argmax(1)[right] == index
        except (ModelError, UsageError, ValueError):
            continue  # said in that model's own cases
        if len(turned):
            found[name] = float(turned.mean())
    return found
