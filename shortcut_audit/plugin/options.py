"""Takes our options from the command line and the ini file, beside any other plugin's options.

pytest's parser refuses every run in which two plugins add the same option. So ours are never added
to it: those that nobody else owns are taken out of the arguments before pytest parses them. Where
another plugin or a conftest owns `--models` or `--scenario`, `--audit-models` and
`--audit-scenario` are still ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path
from typing import Any

import pytest

# the option's word -> what it sets; `audit-data` is `--audit-data`, in the ini file `audit_data`
WORDS = {
    "models": "models",
    "scenario": "scenario",
    "audit-models": "models",
    "audit-scenario": "scenario",
    "audit-data": "data",
    "audit-reports": "reports",
    "audit-device": "device",
    "audit-trust-code": "trust_code",
    "audit-split-assets": "split_assets",
    "audit-attachments": "attachments",
    "audit-shard": "shard",
    "audit-store": "store",
    "audit-engine": "engine",
}
HELP = {
    "models": "audit the checkpoints in this folder, or this one file",
    "scenario": "the YAML that names data, decoys and limits",
    "data": "where the data set's relative paths start, instead of beside the scenario",
    "reports": "folder for the verdict, the record and the evidence (default: reports)",
    "device": "cpu, cuda, cuda:1, or auto: cuda where there is one (default: auto)",
    "trust_code": "let the manifest name architectures of your own (runs code)",
    "split_assets": "put the style and pictures of report.html beside it, for servers that forbid "
    "them inside a page",
    "attachments": "how junit-per-model.xml names pictures: gitlab, jenkins or none "
    "(default: by the server that it runs on)",
    "shard": "run one part of the tests, such as 2/8, or the one of this task of Slurm (slurm); "
    "then `shortcut-audit merge REPORTS` decides",
    "store": "where evidence is kept: a folder, or s3://BUCKET/PREFIX (default: in the folder of "
    "the reports)",
    "engine": "who computes evidence: local, or ray: a cluster, ahead of judging (default: local)",
}
STYLES = ("gitlab", "jenkins", "none")  # of attachments
FLAGS = frozenset({"audit-trust-code", "audit-split-assets"})  # they take no value
FORMER = ("data", "reports", "device", "trust-code")  # these now begin with `audit-`
PATHS = frozenset({"models", "scenario", "data", "reports"})
YES = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True)
class Asked:
    """What the command line and the ini file ask for."""

    models: str
    scenario: str
    data: str
    reports: str
    device: str
    trust_code: bool
    reporting: Mapping[str, str | bool]  # options of the reporters
    shard: str  # as it is written; "": the whole run
    store: str  # "": beside the reports
    engine: str
    by_ini: bool  # only the ini file names models: the run is ours only if an audit is collected

    @property
    def folder(self) -> Path:
        """The folder of the reports."""
        return Path(self.reports)


def taken(arguments: Iterable[str], words: Collection[str]) -> tuple[list[str], dict[str, str]]:
    """The arguments without ours, and ours as word -> value.

    Where one word stands there twice, the last counts, as with pytest's own options.

    Raises:
        pytest.UsageError: a word without its value.
    """
    rest: list[str] = []
    found: dict[str, str] = {}
    left = iter(arguments)
    for argument in left:
        if argument == "--":
            return [*rest, argument, *left], found
        name, equals, value = argument.partition("=")
        word = name.removeprefix("--")
        if word == name or word not in words:
            rest.append(argument)
            continue
        if word in FLAGS:
            value = value or "true"
        elif not equals:
            value = next(left, "")
        if not value or (not equals and value.startswith("-")):
            raise pytest.UsageError(
                f"{name} needs a value: {HELP[WORDS[word]]}, as in `{name} {_example(word)}`"
            )
        found[word] = value
    return rest, found


def _example(word: str) -> str:
    examples = {
        "scenario": "scenario.yaml",
        "device": "cpu",
        "attachments": "gitlab",
        "shard": "2/8",
        "engine": "ray",
    }
    return examples.get(WORDS[word], "FOLDER")


def expanded(arguments: Iterable[str]) -> Iterator[str]:
    """The arguments with the lines of each `@file` in its place, as pytest reads them."""
    for argument in arguments:
        file = Path(argument[1:])
        if argument.startswith("@") and file.is_file():
            yield from expanded(file.read_text().splitlines())
        else:
            yield argument


def refuse_former(arguments: Iterable[str], owned: Collection[str]) -> None:
    """Raises pytest.UsageError where an option lacks its `audit-` and no other plugin owns it."""
    used = {argument.partition("=")[0] for argument in arguments}
    renamed = [word for word in FORMER if f"--{word}" in used and f"--{word}" not in owned]
    if renamed:
        raise pytest.UsageError("; ".join(f"--{word} is now --audit-{word}" for word in renamed))


def asked_for(
    found: Mapping[str, str], config: pytest.Config, inis: Mapping[str, object]
) -> Asked | None:
    """What the command line asks for, else the ini file; None where neither names models.

    Paths of the command line start at the folder in which pytest was called, those of the ini file
    at the ini file.
    """
    values = dict.fromkeys(WORDS.values(), "") | {"device": "auto", "engine": "local"}
    for word, key in WORDS.items():
        written = ini_value(inis, word, key, config)
        if written:
            values[key] = written
    given = _by_what_it_sets(found)
    values |= given
    if not values["models"]:
        return None
    by_ini = not given.keys() & {"models", "shard"}
    reports = values["reports"] or ("reports" if "models" in given else from_ini("reports", config))
    return Asked(
        models=values["models"],
        scenario=values["scenario"],
        data=values["data"],
        reports=reports,
        device=values["device"],
        trust_code=values["trust_code"].lower() in YES,
        reporting=_reporting(values),
        shard=values["shard"],
        store=values["store"],
        engine=values["engine"],
        by_ini=by_ini,
    )


def _reporting(values: Mapping[str, str]) -> dict[str, str | bool]:
    """The options of the reporters; what nobody asked for is left to them."""
    style = values["attachments"]
    if style and style not in STYLES:
        raise pytest.UsageError(
            f"--audit-attachments cannot be '{style}': name one of {', '.join(STYLES)}"
        )
    split = values["split_assets"].lower() in YES
    return {"split": split, **({"attachments": style} if style else {})}


def _by_what_it_sets(found: Mapping[str, str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for word, value in found.items():
        key = WORDS[word]
        if given.setdefault(key, value) != value:
            raise pytest.UsageError(
                f"--{key} and --audit-{key} name two different things: leave one of them out"
            )
    return given


def ini_value(inis: Mapping[str, object], word: str, key: str, config: pytest.Config) -> str:
    """What the ini file says under our key; empty where it has no text or yes-no there."""
    value = inis.get(ini_name(word), "")
    if not isinstance(value, str | bool) or not str(value).strip():
        return ""
    text = str(value).strip()
    return from_ini(text, config) if key in PATHS else text


def from_ini(text: str, config: pytest.Config) -> str:
    """The path of a file beside the ini file, as seen from where pytest was called."""
    here = config.invocation_params.dir
    start = config.inipath.parent if config.inipath else here
    return text if Path(text).is_absolute() or start == here else relpath(start / text, here)


def ini_name(word: str) -> str:
    """`audit-data` -> `audit_data`."""
    return word.replace("-", "_")


# ---- pytest's parser: its private attributes may be missing, and are never changed ----


def owned_options(parser: Any) -> set[str]:
    """Every option that somebody has added to pytest's parser, with its hyphens."""
    groups = [getattr(parser, "_anonymous", None), *getattr(parser, "_groups", ())]
    owned: set[str] = set()
    for group in groups:
        for option in getattr(group, "options", ()):
            owned.update(option.names())
    return owned


def add_inis(parser: pytest.Parser) -> None:
    """Makes our ini keys known, where nobody else has: pytest warns of an unknown key."""
    known = getattr(parser, "_inidict", {})
    for word, key in WORDS.items():
        if ini_name(word) not in known:
            parser.addini(ini_name(word), HELP[key], default="")


def ini_keys(config: pytest.Config, parser: Any) -> dict[str, object]:
    """Our keys in the ini file -> their values as they were read.

    A key that another plugin owns is left out: its help text is not ours.
    """
    known = getattr(parser, "_inidict", {})
    written = _written(config)
    ours: dict[str, object] = {}
    for word, key in WORDS.items():
        name = ini_name(word)
        about = known.get(name, [HELP[key]])[0]
        if name in written and about == HELP[key]:
            ours[name] = written[name]
    return ours


def _written(config: pytest.Config) -> dict[str, object]:
    """The ini file's keys -> their values, and what `-o` on the command line puts in their place.

    `getini` is not used: it keeps what it read, which another plugin may want as another type.
    """
    raw = config._inicfg if hasattr(config, "_inicfg") else getattr(config, "inicfg", {})
    said = {name: getattr(value, "value", value) for name, value in raw.items()}
    for override in config.known_args_namespace.override_ini or ():
        name, equals, value = override.partition("=")
        if equals:
            said[name] = value
    return said


def show(parser: pytest.Parser) -> None:
    """Adds our options to pytest's parser: for `--help`, and where a conftest loads this plugin."""
    group = parser.getgroup("shortcut-audit", "is an image classifier right for the right reasons?")
    owned = owned_options(parser)
    for word, key in WORDS.items():
        if f"--{word}" in owned:
            continue
        if word in FLAGS:
            group.addoption(
                f"--{word}", dest=shown_as(word), action="store_const", const="true", help=HELP[key]
            )
        else:
            group.addoption(f"--{word}", dest=shown_as(word), metavar=key.upper(), help=HELP[key])


def shown_as(word: str) -> str:
    """Where an option that `show` added keeps its value."""
    return f"shortcut_audit_{ini_name(word)}"
