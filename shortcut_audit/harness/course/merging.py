"""The shards of one run -> the report that one run would have written.

A report is made of all of them or of none: each must be there once, have come to its end, and have
read what is still there to be read. The parts are put into a `Run`, which closes as any other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from shortcut_audit import registry
from shortcut_audit.errors import UsageError
from shortcut_audit.files.withdrawn import Withdrawn
from shortcut_audit.harness.course.inputs import settings_of
from shortcut_audit.harness.course.junit import write_junit
from shortcut_audit.harness.course.part import NAME, Ended, Part, digest_of_tests, read_part
from shortcut_audit.harness.course.shard_ledger import QUIET
from shortcut_audit.harness.course.shards import FOLDER, OPTION
from shortcut_audit.harness.course.work import as_given
from shortcut_audit.harness.run import Run
from shortcut_audit.records import Report
from shortcut_audit.reporting.conclusion import left_out, not_written, report_files

JUNIT = "junit.xml"
MERGE = "shortcut-audit merge"


@dataclass(frozen=True)
class Found:
    """A part, and the file that it was read from."""

    path: Path
    part: Part

    def __str__(self) -> str:
        return f"shard {self.part.shard}"

    @property
    def again(self) -> str:
        """What to do about it."""
        return f"run it again with {OPTION} {self.part.shard} (what was computed is kept)"


def merge(reports: Path) -> tuple[Run, int]:
    """Writes the report of a run from its shards in `shards/` of this folder.

    The verdict of an earlier run is taken away first, so that a refusal leaves none.

    Returns:
        The run, whose `report` was written, and its exit code.

    Raises:
        UsageError: a shard is missing, there twice, of another run or not at its end, or what it
            read is not there any more.
    """
    paths = sorted((reports / FOLDER).glob(f"*/{NAME}"))
    if not paths:
        raise UsageError(
            f"'{reports / FOLDER}' holds no shard: run "
            f"`pytest audits/ --models DIR --audit-reports {reports} {OPTION} 1/2`, "
            "and 2/2 as well, and name their folder of reports"
        )
    _withdraw([*report_files(reports), reports / JUNIT])
    found = [Found(path, read_part(path)) for path in paths]
    refuse_incomplete(found, reports)
    run = _run_of(found, reports)
    refuse_foreign(found, run.inputs().read)
    refuse_overlapping(found, run)
    return run, _write(run, found)


def _withdraw(files: Sequence[Path]) -> None:
    old = Withdrawn(files)
    old.drop()
    if old.problem:
        raise UsageError(old.problem)


def refuse_incomplete(found: Sequence[Found], reports: Path) -> None:
    """Raises UsageError unless each shard of one run is there once, and came to its end."""
    by_size: dict[int, dict[int, list[Found]]] = defaultdict(lambda: defaultdict(list))
    for each in found:
        by_size[each.part.shard.of][each.part.shard.number].append(each)
    if len(by_size) > 1:
        raise UsageError(
            f"'{reports / FOLDER}' holds shards of {_listed(map(str, sorted(by_size)))}, which are "
            "parts of different runs: remove the folders of the run that is not meant"
        )
    ((of, by_number),) = by_size.items()
    for same in by_number.values():
        if len(same) > 1:
            files = " and ".join(f"'{each.path}'" for each in same)
            raise UsageError(f"{same[0]} is there twice, in {files}: remove the one not meant")
    if missing := [f"{number}/{of}" for number in range(1, of + 1) if number not in by_number]:
        more = [f"{len(missing) - 10} more"] if len(missing) > 10 else []
        raise UsageError(
            f"'{reports / FOLDER}' lacks the shards {_listed([*missing[:10], *more])}: "
            f"run each with {OPTION}, then merge again"
        )
    for each in found:
        if each.part.unfinished:
            why = each.part.unfinished
            raise UsageError(f"{each} did not come to its end ({why}): {each.again}")


def _run_of(found: Sequence[Found], reports: Path) -> Run:
    """The run that the shards are of, as the first was called."""
    call = found[0].part.inputs.call
    unknown = sorted(set(call.reporters) - set(registry.names("reporter")))
    if unknown:
        raise UsageError(
            f"the run has a reporter of your own ({_listed(unknown)}), which this command does not "
            "know: call it from a script that imports it (see docs/shards.md)"
        )
    devices = set(chain.from_iterable(each.part.observed["devices"] for each in found))
    # nothing is asked on the device: what was kept is found by it
    settings = settings_of(call, min(devices, default="cpu"), f"{MERGE} {reports}")
    return Run(call.models, call.scenario, reports, settings)


def refuse_foreign(found: Sequence[Found], now: Mapping[str, str]) -> None:
    """Raises UsageError where a shard read anything else than is there now, or ran other tests."""
    for each in found:
        theirs = each.part.inputs.read
        other = sorted(name for name in theirs.keys() | now if theirs.get(name) != now.get(name))
        if other:
            raise UsageError(
                f"{each} is of another run: the {_listed(other[:3])} changed since, "
                f"or came or went; if what is there now is meant, {each.again}"
            )
    first = found[0]
    for each in found[1:]:
        if _suite(each) != _suite(first):
            what = "ran another suite: the audits' files differ"
        elif each.part.chosen.digest != first.part.chosen.digest:
            what = "is a part of other tests: its -k, -m, folders or plugins differ"
        else:
            continue
        raise UsageError(
            f"{each} {what} from those of {first}: run one of the two again as the other was"
        )


def _suite(found: Found) -> list[str]:
    """The digests of the audits' files, wherever they lie."""
    return sorted(found.part.observed["suite"]["files"].values())


def refuse_overlapping(found: Sequence[Found], run: Run) -> None:
    """Raises UsageError unless every test of the run is in one shard, those of a model in one."""
    where: dict[str, Found] = {}
    tests: list[str] = []
    for each in found:
        tests += each.part.chosen.own
        for model in {run.model_of(as_given(nodeid)) for nodeid in each.part.chosen.own}:
            other = where.setdefault(model, each)
            if other is not each:
                raise UsageError(
                    f"{model} is in {other} and in {each}, and a model's tests are all in one: "
                    f"run all {each.part.shard.of} shards again"
                )
    chosen = found[0].part.chosen
    if len(tests) != chosen.tests or digest_of_tests(tests) != chosen.digest:
        raise UsageError(
            f"the shards hold {len(tests)} tests of the run's {chosen.tests}: "
            f"run all {found[0].part.shard.of} shards again"
        )


def _write(run: Run, found: Sequence[Found]) -> int:
    run.begin(check=False)
    ended = dict(_in_order(found))
    for nodeid, each in ended.items():
        run.ledger.add(nodeid, [*each.findings])
    for at, one in enumerate(found):
        said = one.part.observed
        run.take_over({name: said[name] for name in said if at == 0 or name != "suite"})
        run.observed.doubts |= {*one.part.doubts}
    failed = any(each.outcome not in QUIET for each in ended.values())
    failed = failed or any(one.part.failed for one in found)
    report = run.close("", 0, failed)
    report = replace(report, provenance=report.provenance | {"shards": len(found)})
    code = run.write(report)
    junit = run.reports / JUNIT
    try:
        write_junit(junit, ended, _verdicts(run.report or report, failed, run.ledger.trouble))
    except OSError as error:
        junit.unlink(missing_ok=True)
        return run.withdraw(not_written(error, junit))
    return code


def _in_order(found: Sequence[Found]) -> Iterator[tuple[str, Ended]]:
    """Every test with its end, in the order in which one run would have had them."""
    places: list[tuple[int, str, Ended]] = []
    for each in found:
        for nodeid, at in each.part.chosen.own.items():
            places.append((at, nodeid, each.part.ended[nodeid]))
    for _, nodeid, ended in sorted(places, key=lambda place: place[:2]):
        yield nodeid, ended


def _verdicts(report: Report, failed: bool, trouble: str) -> dict[str, str]:
    """What no test says, and an ordinary run adds to pytest's own file."""
    said = {f"{name} verdict": sentence for name, sentence in left_out(report).items()}
    if trouble:
        said["report"] = trouble
    elif report.exit_code and not said and not failed:
        said["audit verdict"] = "no model was promoted"
    return said


def _listed(words: Any) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else str(last)
