"""What somebody takes the responsibility for: one audit of one model or pair, until a day.

A waiver stands in the scenario, so that it is in the user's git: who waived what, why, until when.
It covers a finding that was measured, and nothing else: no broken file, no audit that crashed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, field_validator, model_validator

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.files.checkpoint_files import digest_if_there
from shortcut_audit.files.whole import canonical
from shortcut_audit.records import ABOVE_CHANCE, Candidate, Finding, Verdict

SOUGHT = "unknown_shortcuts"  # an audit whose findings are about what a search comes upon
DIGEST = re.compile(r"[0-9a-f]{12,64}")  # of a checkpoint, or how it begins; never a name
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class Waiver(BaseModel):
    """Somebody takes the responsibility for one audit of one model, or pair of models.

    A model is named by its checkpoint's SHA-256, whole or its first 12 characters or more, or by
    its name: then whatever checkpoint bears that name is waived, and each sentence says so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    audit: str
    model: str = ""
    models: tuple[str, str] | None = None  # a pair, in place of `model`
    decoy: str | None = None  # any
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10)]
    author: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2)]
    expires: date  # the last day on which it holds, in UTC

    @field_validator("model")
    @classmethod
    def _as_written(cls, value: str) -> str:
        return _reference(value)

    @field_validator("models")
    @classmethod
    def _as_both_are_written(cls, value: tuple[str, str] | None) -> tuple[str, str] | None:
        return value and (_reference(value[0]), _reference(value[1]))

    @field_validator("expires", mode="before")
    @classmethod
    def _is_a_day(cls, value: object) -> object:
        if not isinstance(value, date) and not DAY.fullmatch(str(value)):
            raise ValueError(f"{value!r:.40} is no day: write it as 2027-01-31")
        return value

    @model_validator(mode="after")
    def _about_one_model_or_pair(self) -> Waiver:
        if bool(self.model) is bool(self.models):
            raise ValueError(
                "a waiver names one model ('model: F0') or a pair ('models: [F0, F1]')"
            )
        if len(set(self.subjects)) < len(self.subjects):
            raise ValueError("a pair is two models")
        return self

    @property
    def subjects(self) -> tuple[str, ...]:
        """The model, or the two of the pair, each by digest or by name."""
        return self.models or (self.model,)

    @property
    def named(self) -> str:
        """What it is about: `decoy_insertion of F100-s0 with stop_sign`."""
        decoy = f" with {self.decoy}" if self.decoy else ""
        return f"{self.audit} of {' and '.join(self.subjects)}{decoy}"

    @property
    def words(self) -> str:
        """Who, until when and why: `by Jane Doe until 2027-01-31: the sign is part of it`."""
        names = [each for each in self.subjects if not DIGEST.fullmatch(each)]
        whatever = f", for any checkpoint called {' or '.join(names)}" if names else ""
        return f"by {self.author} until {self.expires}{whatever}: {self.reason}"

    def covers(self, finding: Finding) -> bool:
        """Whether it is about this audit, these models and this decoy, in whatever order a pair is.

        A waiver of `decoy_insertion` is about its parts (`decoy_insertion@elsewhere`) as well.
        """
        audits = (finding.audit, finding.audit.partition("@")[0])
        if self.audit not in audits or self.decoy not in (None, finding.decoy):
            return False
        return self.about(finding)

    def about(self, finding: Finding) -> bool:
        """Whether the finding is about exactly these models."""
        digests = finding.sha256 or ("",) * len(finding.subjects)
        asked = list(zip(finding.subjects, digests, strict=True))
        if len(asked) != len(self.subjects):
            return False
        orders = (self.subjects, self.subjects[::-1])
        return any(_all_are(order, asked) for order in orders)


def waived(findings: Iterable[Finding], waivers: Sequence[Waiver]) -> list[Finding]:
    """The findings, each with the waiver that covers it for longest, where it needs one.

    Law: what holds, does not count or was not measured is never waived.
    """
    found = []
    for finding in findings:
        covering = [each for each in waivers if needs_waiver(finding) and each.covers(finding)]
        if covering:
            last = max(covering, key=lambda each: each.expires)
            until = last.expires.isoformat()
            finding = replace(finding, waived=last.words, waived_until=until)
        found.append(finding)
    return found


def needs_waiver(finding: Finding) -> bool:
    """Whether there is something to be waived: it was measured, it counts, and it does not hold."""
    return finding.verdict is not Verdict.HOLDS and finding.applies and not finding.error


def today() -> date:
    """The day in UTC."""
    return datetime.now(UTC).date()


def misplaced(
    waivers: Iterable[Waiver], decoys: Iterable[str], blocking: Iterable[str]
) -> Iterator[str]:
    """A sentence for each waiver that waives nothing in this scenario, whichever tests are run.

    It is of a decoy that there is not, or of an audit that keeps no model from being promoted.
    Whether a pair's audit exists is not known before it has run.
    """
    decoys, able = tuple(decoys), {ABOVE_CHANCE}
    for audit in blocking:
        able |= {audit, audit.partition("@")[0]}
    for each in waivers:
        if each.decoy is not None and each.decoy not in decoys:
            hint = did_you_mean(each.decoy, decoys)
            yield f"the waiver of {each.named} is of a decoy that there is not{hint}"
        elif each.audit == SOUGHT and not DIGEST.fullmatch(each.model):
            yield (
                f"the waiver of {each.named} would waive whatever a later search finds in another "
                "checkpoint of that name: name the checkpoint by its SHA-256"
            )
        elif each.model and not able & {each.audit, each.audit.partition("@")[0]}:
            hint = did_you_mean(each.audit, able)
            yield f"the waiver of {each.named} waives nothing: {each.audit} does not block{hint}"


def refuse_expired(waivers: Iterable[Waiver], now: date) -> None:
    """Refuses the first waiver whose last day was before this one.

    Raises:
        UsageError: there is one.
    """
    for each in waivers:
        if each.expires < now:
            raise UsageError(
                f"the waiver of {each.named} expired on {each.expires} ({each.author}: "
                f"{each.reason}): renew it in the scenario, or take it out"
            )


def refuse_unknown(
    waivers: Iterable[Waiver],
    candidates: Sequence[Candidate],
    pairs: Iterable[tuple[str, ...]],
) -> None:
    """Refuses a waiver that is about none of these models, or none of these pairs.

    Raises:
        UsageError: there is one.
    """
    digests: dict[str, str] = {}
    compared = set(map(frozenset, pairs))
    for each in waivers:
        if not digests and any(map(DIGEST.fullmatch, each.subjects)):
            digests = _digests(candidates)
        models = {_model(each, subject, candidates, digests) for subject in each.subjects}
        if each.models and models not in compared:
            raise UsageError(
                f"the waiver of {each.named} is about two models that are not compared here: "
                "a pair is a reference and another model, where references are named"
            )


def _digests(candidates: Iterable[Candidate]) -> dict[str, str]:
    """SHA-256 -> model, of the checkpoints that are there."""
    found = {each.name: digest_if_there(each.file) for each in candidates}
    return {digest: name for name, digest in found.items() if digest}


def _model(
    waiver: Waiver, subject: str, candidates: Sequence[Candidate], digests: Mapping[str, str]
) -> str:
    """The name of the model that is meant.

    Raises:
        UsageError: there is none.
    """
    about = f"the waiver of {waiver.named} is about no model of this run: "
    if DIGEST.fullmatch(subject):
        for digest, name in digests.items():
            if digest.startswith(subject):
                return name
        raise UsageError(
            f"{about}no checkpoint's SHA-256 begins with {subject}; if it was trained again, "
            "see what the audits say of it, and waive the new one or take the waiver out"
        )
    names = [each.name for each in candidates]
    if subject not in names:
        raise UsageError(f"{about}none is called '{subject}'{did_you_mean(subject, names)}")
    return subject


def unmatched(
    waivers: Iterable[Waiver], findings: Sequence[Finding], decoys: Collection[str]
) -> Iterator[str]:
    """A sentence for each waiver that is about the models of these findings and waives none.

    Whether it is needed is only said once every decoy that it is about was asked about. A pair's
    audit that was not run is none that does not exist, unless it is nearly called as one that was.
    """
    for each in waivers:
        own = [finding for finding in findings if each.about(finding)]
        covered = [finding for finding in own if each.covers(finding)]
        seen = {finding.decoy for finding in covered}
        ran = {finding.audit for finding in own}
        hint = "" if each.audit in ran else did_you_mean(each.audit, ran)
        said = f"the waiver of {each.named} ({each.author})"
        if covered:
            whole = each.decoy is not None or None in seen or seen.issuperset(decoys)
            if whole and all(finding.verdict is Verdict.HOLDS for finding in covered):
                yield f"{said} is not needed, for that holds: take it out of the scenario"
        elif own and (each.model or "did you mean" in hint):
            yield f"{said} covers no finding{hint}"


def expired(findings: Iterable[Finding], now: date) -> Iterator[str]:
    """A sentence for each of these waived findings whose waiver holds no more on this day."""
    for finding in findings:
        decoy = f" with {finding.decoy}" if finding.decoy else ""
        of = f"the waiver of {finding.audit} of {' and '.join(finding.subjects)}{decoy}"
        if not DAY.fullmatch(str(finding.waived_until)):
            yield f"{of} does not say until when it holds, as older versions wrote it"
        elif finding.waived_until < now.isoformat():
            yield f"{of} has expired (it was waived {finding.waived})"


def _reference(text: str) -> str:
    """A digest in small letters, or a name as names are written here."""
    return text.lower() if DIGEST.fullmatch(text.lower()) else canonical(text)


def _all_are(subjects: Sequence[str], asked: Sequence[tuple[str, str]]) -> bool:
    """Whether each is the model in its place: name, and digest of what was audited."""
    return all(
        digest.startswith(subject) if DIGEST.fullmatch(subject) else subject == name
        for subject, (name, digest) in zip(subjects, asked, strict=True)
    )
