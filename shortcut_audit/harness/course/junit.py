"""The tests of a run's shards -> `junit.xml`, which pytest writes of a run without shards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from junit_xml import TestCase, TestSuite

from shortcut_audit.harness.course.part import Ended
from shortcut_audit.reporting.reporters.junit_per_model import clean, write_suites


def write_junit(path: Path, ended: Mapping[str, Ended], verdicts: Mapping[str, str]) -> None:
    """Writes a case for each test, and a failed one for each of the verdicts.

    Args:
        path: the file.
        ended: node id -> what became of the test, in the order in which they are to stand.
        verdicts: what no test says: name, such as `F0-s0 verdict` -> the sentence.

    Raises:
        OSError: it cannot be written.
    """
    write_suites([TestSuite("pytest", [*_cases(ended), *_verdicts(verdicts)])], path)


def _cases(ended: Mapping[str, Ended]) -> Iterator[TestCase]:
    for nodeid, each in ended.items():
        test, bracket, parameters = nodeid.partition("[")
        *places, name = test.split("::")
        places[0] = places[0].removesuffix(".py").replace("/", ".")
        case = TestCase(
            clean(f"{name}{bracket}{parameters}"),
            classname=clean(".".join(places)),
            elapsed_sec=each.seconds,
        )
        _say(case, each)
        yield case


def _say(case: TestCase, ended: Ended) -> None:
    why, said = clean(ended.why), clean(ended.said)
    if ended.outcome == "skipped":
        case.add_skipped_info(why)
    elif ended.outcome == "error":
        case.add_error_info(why, said)
    elif ended.outcome != "passed":
        case.add_failure_info(why, said)


def _verdicts(verdicts: Mapping[str, str]) -> Iterator[TestCase]:
    for name, sentence in verdicts.items():
        case = TestCase(clean(name), classname="shortcut_audit", elapsed_sec=0)
        case.add_failure_info(clean(sentence), clean(sentence))
        yield case
