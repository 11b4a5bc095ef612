"""The commands `train`, `study`, `calibrate`, `gate`, `report` and `audits`: they only delegate.

A user's mistake is one sentence and exit code 4.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortcut_audit import __version__
from shortcut_audit.errors import ShortcutAuditError, UsageError
from shortcut_audit.processors import wait_asleep

if TYPE_CHECKING:
    from shortcut_audit.scenario import Scenario

MISTAKE = 4  # pytest's code for a usage error


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    asked = _parser().parse_args(arguments)
    wait_asleep()
    try:
        code: int = asked.command(asked)
    except ShortcutAuditError as error:
        print(f"shortcut-audit: {error}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        print(
            "shortcut-audit: stopped; what was finished is kept, "
            "and the same command goes on from there",
            file=sys.stderr,
        )
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="shortcut-audit", description="Is an image classifier right for the right reasons?"
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    _add_train(commands)
    _add_study(commands)
    _add_calibrate(commands)
    _add_gate(commands)
    _add_report(commands)
    _add_audits(commands)
    return parser


def _add_train(commands: Any) -> None:
    train = commands.add_parser(
        "train", help="train a Rashomon set: one model per decoy, coverage and seed"
    )
    train.add_argument("scenario", type=Path)
    train.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for checkpoints and rashomon.yaml",
    )
    train.add_argument("--only", nargs="+", metavar="NAME", help="train only these models")
    train.add_argument(
        "--processes",
        type=_count,
        default=1,
        metavar="N",
        help="models at a time, each with one thread (default: 1, with all)",
    )
    _add_overrides(train)
    train.set_defaults(command=_train)


def _add_study(commands: Any) -> None:
    study = commands.add_parser(
        "study", help="the thesis's tables and figures with your numbers beside the published ones"
    )
    study.add_argument("scenario", type=Path)
    study.add_argument(
        "--out",
        type=Path,
        default=Path("reports/study"),
        metavar="DIR",
        help="default: reports/study",
    )
    study.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help="checkpoints that are there (default: train them into OUT/models)",
    )
    study.add_argument("--only", nargs="+", metavar="NAME", help="only these experiments, e.g. e3")
    _add_overrides(study)
    study.set_defaults(command=_study)


def _add_calibrate(commands: Any) -> None:
    calibrate = commands.add_parser(
        "calibrate", help="train a population, audit it, and say how often the audits err"
    )
    calibrate.add_argument(
        "scenarios",
        type=Path,
        nargs="+",
        metavar="scenario",
        help="one population each; on one page",
    )
    calibrate.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="where data sets' paths start (default: beside the scenario)",
    )
    calibrate.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for models, evidence and the page",
    )
    calibrate.add_argument(
        "--suite",
        type=Path,
        default=Path("audits"),
        metavar="DIR",
        help="the audits (default: audits)",
    )
    calibrate.add_argument(
        "--workers",
        type=_count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes (default: all cores)",
    )
    calibrate.set_defaults(command=_calibrate)


def _add_gate(commands: Any) -> None:
    gate = commands.add_parser("gate", help="exit 0 only if this very checkpoint may be promoted")
    gate.add_argument("verdict", type=Path, help="reports/verdict.json")
    gate.add_argument("--model", required=True, metavar="NAME")
    gate.add_argument(
        "--file",
        type=Path,
        help="the checkpoint to promote (default: where it was when it was audited)",
    )
    gate.add_argument(
        "--scenario",
        type=Path,
        metavar="FILE",
        help="refuse a verdict that another scenario led to",
    )
    gate.add_argument(
        "--audits", type=Path, metavar="DIR", help="refuse a verdict that other audits led to"
    )
    gate.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="refuse a verdict on other pictures (needs --scenario)",
    )
    gate.set_defaults(command=_gate)


def _add_report(commands: Any) -> None:
    report = commands.add_parser(
        "report",
        help="write the report's files again, or those of a run that was killed",
    )
    report.add_argument(
        "reports", type=Path, help="the folder that holds verdict.json, or record.jsonl alone"
    )
    report.set_defaults(command=_report)


def _add_audits(commands: Any) -> None:
    audits = commands.add_parser(
        "audits",
        help='print the folder of the audits: pytest "$(shortcut-audit audits)" --models DIR',
    )
    audits.set_defaults(command=_audits)


def _count(text: str) -> int:
    """A number of processes, 1 or more, from what the user typed."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of processes: give 1 or more")
    return int(text)


def _add_overrides(command: argparse.ArgumentParser) -> None:
    """Adds the options that depend on the machine rather than on the scenario."""
    command.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="where the data set's paths start (default: beside the scenario)",
    )
    command.add_argument(
        "--device",
        help="cpu, cuda, cuda:1, or auto: cuda where there is one (default: as in the scenario)",
    )
    command.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="threads that decode photographs (default: as many as cores)",
    )
    command.add_argument(
        "--trust-code",
        action="store_true",
        help="let an architecture of your own be named (runs code)",
    )
    command.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        help="of training (default: as in the scenario)",
    )


def _scenario(asked: argparse.Namespace) -> Scenario:
    """The scenario of `train` and `study`, with the options of `_add_overrides` in its place."""
    from shortcut_audit.scenario import load_scenario

    if asked.data is not None and not asked.data.is_dir():
        raise UsageError(
            f"--data '{asked.data}' is no folder: name the one in which the data set's paths start"
        )
    overrides = {}
    if asked.device is not None:
        overrides["device"] = asked.device
    if asked.precision is not None:
        overrides["precision"] = asked.precision
    scenario = load_scenario(asked.scenario, asked.data, overrides)
    if asked.workers is None:
        return scenario
    return scenario.model_copy(update={"dataset": {**scenario.dataset, "workers": asked.workers}})


def _train(asked: argparse.Namespace) -> int:
    from shortcut_audit.training.diversify import make_set

    make_set(
        _scenario(asked),
        asked.out,
        only=asked.only,
        trust_code=asked.trust_code,
        processes=asked.processes,
    )
    return 0


def _study(asked: argparse.Namespace) -> int:
    from shortcut_audit.study.run import study

    command = " ".join(sys.argv[1:])
    scenario = _scenario(asked)
    page = study(scenario, asked.out, asked.models, asked.only, asked.trust_code, command=command)
    print(page)
    return 0


def _calibrate(asked: argparse.Namespace) -> int:
    from shortcut_audit.calibration.run import calibrate

    print(calibrate(asked.scenarios, asked.out, asked.suite, asked.workers, data=asked.data))
    return 0


def _gate(asked: argparse.Namespace) -> int:
    from shortcut_audit.gate import Asked, gate

    compared = Asked(asked.model, asked.file, asked.scenario, asked.audits, asked.data)
    answer = gate(asked.verdict, compared)
    print("\n".join(answer.lines))
    return 0 if answer.passes else 1


def _audits(_asked: argparse.Namespace) -> int:
    from shortcut_audit.files.sources import shipped_audits

    print(shipped_audits())
    return 0


def _report(asked: argparse.Namespace) -> int:
    from shortcut_audit.reporting.rewrite import written_again

    for line in written_again(asked.reports):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
