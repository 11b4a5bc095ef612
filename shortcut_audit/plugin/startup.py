"""What happens before pytest parses its arguments.

Our options are taken out of them, the verdict of an earlier run is taken away, and the rootdir is
corrected where pytest derived it from one of our paths.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shortcut_audit.files.withdrawn import Withdrawn
from shortcut_audit.plugin import options
from shortcut_audit.plugin.options import Asked
from shortcut_audit.processors import wait_asleep

if TYPE_CHECKING:
    from shortcut_audit.harness.run import Run

RUN: pytest.StashKey[Run] = pytest.StashKey()
ASKED = pytest.StashKey[Asked]()
OLD_VERDICT = pytest.StashKey[Withdrawn]()
DISPLACED = pytest.StashKey[frozenset[str]]()  # words of ours that another plugin owns here
NOTE = pytest.StashKey[str]()  # a warning about pytest's own settings, for the header
ONLY_LOOKED_AT = (
    "collectonly",
    "help",
    "version",
    "showfixtures",
    "show_fixtures_per_test",
    "markers",
    "cacheshow",
)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Makes our ini keys known, and our options where a conftest loads this plugin."""
    options.add_inis(parser)
    # a conftest loads this plugin: the hook below was called before
    if getattr(pluginmanager, "_confcutdir", None) is not None:
        options.show(parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, object, object]:
    """Takes our options out of the arguments, and takes the verdict of an earlier run away."""
    rest, found = options.taken(options.expanded(args), _ours(parser))
    if found:
        _read_again(early_config, parser, rest)
    asked = options.asked_for(found, early_config, options.ini_keys(early_config, parser))
    old = Withdrawn(_outdated(early_config, asked)) if asked else Withdrawn([])
    try:
        result = yield
        _take(early_config, parser, args)
    except BaseException:
        old.drop()
        raise
    early_config.stash[OLD_VERDICT] = old
    if early_config.known_args_namespace.help:
        options.show(parser)
    return result


def _ours(parser: pytest.Parser) -> list[str]:
    owned = options.owned_options(parser)
    return [word for word in options.WORDS if f"--{word}" not in owned]


def _take(config: pytest.Config, parser: pytest.Parser, arguments: list[str]) -> None:
    """Takes our options out of the arguments that pytest is about to parse.

    Only now, with every conftest read, is it known which of them no other plugin owns.
    """
    ours = _ours(parser)
    rest, found = options.taken(options.expanded(arguments), ours)
    if found:
        arguments[:] = rest
    config.stash[DISPLACED] = frozenset(options.WORDS) - frozenset(ours)
    asked = options.asked_for(found, config, options.ini_keys(config, parser))
    if asked is not None:
        wait_asleep()
        config.stash[ASKED] = asked
        options.refuse_former(rest, options.owned_options(parser))


def asked_by(config: pytest.Config) -> Asked | None:
    """What the command line or the ini file asks for, once every conftest is read."""
    if DISPLACED in config.stash:
        return config.stash.get(ASKED, None)
    shown = {word: getattr(config.option, options.shown_as(word), None) for word in options.WORDS}
    found = {word: value for word, value in shown.items() if value}  # a conftest loaded us
    return options.asked_for(
        found, config, options.ini_keys(config, getattr(config, "_parser", None))
    )


def old_verdict(config: pytest.Config) -> Withdrawn:
    """What an earlier run left, put aside."""
    return config.stash.setdefault(OLD_VERDICT, Withdrawn([]))


def only_looks(option: Any) -> bool:
    """Whether this run lists something and runs no test."""
    return any(getattr(option, name, False) for name in ONLY_LOOKED_AT)


def _outdated(config: pytest.Config, asked: Asked) -> list[Path]:
    """The files of an earlier run that this one will write; none where nothing is to be run."""
    known = config.known_args_namespace
    if only_looks(known):
        return []
    if asked.by_ini and not (asked.folder / "verdict.json").is_file():
        return []  # the keys may be another tool's: without a verdict there nothing is taken away
    junit = getattr(known, "xmlpath", None) or str(asked.folder / "junit.xml")
    from shortcut_audit.harness.course.part import shard_files
    from shortcut_audit.reporting.conclusion import report_files

    return [*report_files(asked.folder), *shard_files(asked.folder, asked.shard), Path(junit)]


# ---- pytest took the values of our options for test paths: its rootdir may be wrong by now ----


def _read_again(config: pytest.Config, parser: pytest.Parser, arguments: list[str]) -> None:
    """Has pytest find its rootdir and its settings again, from the arguments without ours."""
    known = parser.parse_known_args(arguments, namespace=copy.copy(config.option))
    config.known_args_namespace = known
    try:
        _set_rootdir(config, known)
    # a version of pytest that keeps this elsewhere
    except (ImportError, AttributeError, TypeError, ValueError):
        config.stash[NOTE] = (
            "where the rootdir is not your repository's: "
            "write --models=DIR, or name it with --rootdir"
        )
    if known.confcutdir is None:
        known.confcutdir = str(config.inipath.parent if config.inipath else config.rootpath)


def _set_rootdir(config: pytest.Config, known: Any) -> None:
    from _pytest.config.findpaths import determine_setup

    said: Mapping[str, object] = {
        "inifile": known.inifilename,
        "override_ini": known.override_ini,
        "args": known.file_or_dir,
        "rootdir_cmd_arg": known.rootdir or None,
        "invocation_dir": config.invocation_params.dir,
    }
    accepted = inspect.signature(determine_setup).parameters
    understood: dict[str, Any] = {name: said[name] for name in said if name in accepted}
    rootdir, inifile, *_ = determine_setup(**understood)
    if inifile != config.inipath:
        config.stash[NOTE] = (
            f"pytest took its settings from '{config.inipath}' because of a path with a space "
            "before it, as in `--models DIR`: write --models=DIR, or name the ini file with -c"
        )
    elif config.rootpath != rootdir:
        config._rootpath = rootdir
        config._parser.extra_info["rootdir"] = str(rootdir)
