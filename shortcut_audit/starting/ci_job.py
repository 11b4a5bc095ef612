"""The job that audits in continuous integration: GitHub Actions' or GitLab's, as text."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

from shortcut_audit import __version__

GITHUB, GITLAB = "github", "gitlab"
REMOTE = re.compile(r"^\s*url\s*=\s*(.*)$", re.MULTILINE)
FILES = (
    "report.html",
    "summary.md",
    "verdict.json",
    "junit.xml",
    "junit-per-model.xml",
)

ON_GITHUB = """\
# Audits the checkpoints: the job fails where a model must not be promoted.
# Written by `shortcut-audit init`.
name: shortcut-audit
"on": [push, pull_request]
permissions: {contents: read}
jobs:
  audit:
    runs-on: ubuntu-latest
    defaults:
      run:
        working-directory: FOLDER
    steps:
      - uses: actions/checkout@v4
        with: {lfs: true}
      - uses: actions/setup-python@v5
        with: {python-version: "3.12"}
      - run: pip install INSTALLED
      # Checkpoints and pictures that are not in the repository are to be fetched here.
      - name: audit
        run: |
          AUDIT
      - name: summary
        if: always()
        run: |
          if [ -f reports/summary.md ]; then cat reports/summary.md >> "$GITHUB_STEP_SUMMARY"; fi
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: shortcut-audit
          if-no-files-found: ignore
          path: |
PATHS
"""
ON_GITLAB = """\
# Audits the checkpoints: the job fails where a model must not be promoted.
# Written by `shortcut-audit init`. In .gitlab-ci.yml: include: {local: INCLUDED}
shortcut-audit:
  image: python:3.12
  variables:
    GIT_DEPTH: "1"
  script:
    # Checkpoints and pictures that are not in the repository are to be fetched first.
    - |
      cd FOLDER
      pip install INSTALLED
      AUDIT
  artifacts:
    when: always
    paths:
PATHS
    reports:
      junit:
JUNIT
"""


@dataclass(frozen=True)
class Job:
    """A file of the repository, and what it says."""

    file: Path
    text: str
    hint: str  # what is to be done with the file, if anything


def repository_of(folder: Path) -> Path:
    """The nearest folder from this one upwards that is a repository; else the folder itself."""
    here = folder.resolve()
    for each in (here, *here.parents):
        if (each / ".git").exists():
            return each
    return here


def service_of(repository: Path) -> str:
    """GITHUB or GITLAB: by the files that are there, else by the remote, else GITHUB."""
    if (repository / ".gitlab-ci.yml").exists():
        return GITLAB
    if (repository / ".github").exists():
        return GITHUB
    config = repository / ".git/config"
    urls = REMOTE.findall(config.read_text(errors="replace")) if config.is_file() else []
    return GITLAB if any("gitlab" in url.lower() for url in urls) else GITHUB


def job_of(service: str, folder: Path, audit: str, extra: str = "") -> Job:
    """The job of a service that runs the command `audit` in `folder`, which lies in a repository.

    `extra` is an optional part of the package that the models need.
    """
    repository = repository_of(folder)
    place = folder.resolve().relative_to(repository).as_posix()
    # the version whose audits were copied
    installed = shlex.quote(f"shortcut-audit{f'[{extra}]' if extra else ''}=={__version__}")
    prefix = "" if place == "." else f"{place}/"
    reports = [f"{prefix}reports/{name}" for name in FILES]
    values = {"INSTALLED": installed, "AUDIT": audit}
    if service == GITHUB:
        text, file, hint = ON_GITHUB, repository / ".github/workflows/shortcut-audit.yml", ""
        values |= {"FOLDER": _quoted(place), "PATHS": indent("\n".join(reports), " " * 12)}
    else:
        text, file = ON_GITLAB, repository / "shortcut-audit.gitlab-ci.yml"
        hint = f"add to .gitlab-ci.yml: include: {{local: {file.name}}}"
        junit = [each for each in reports if each.endswith(".xml")]
        values |= {"FOLDER": shlex.quote(place), "PATHS": _listed(reports, 6)}
        values |= {"INCLUDED": file.name, "JUNIT": _listed(junit, 8)}
    return Job(file, re.sub("|".join(values), lambda mark: values[mark[0]], text), hint)


def _quoted(text: str) -> str:
    """A text in YAML's single quotes."""
    return "'" + text.replace("'", "''") + "'"


def _listed(entries: list[str], by: int) -> str:
    """A YAML list, indented."""
    return indent("\n".join(f"- {_quoted(entry)}" for entry in entries), " " * by)
