"""The job's file is YAML that the service understands, and runs just the command it is given."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml

from shortcut_audit import __version__
from shortcut_audit.starting.ci_job import GITHUB, GITLAB, job_of, repository_of, service_of

AUDIT = "pytest audits --models 'my models' --scenario scenario.yaml"
HOSTS = ("pypi", "pythonhosted", "anaconda", "http://", "https://", "--index-url")
WRITTEN = ("report.html", "summary.md", "verdict.json", "junit.xml", "junit-per-model.xml")


@pytest.fixture(params=[".", "it's: one #1"])
def folder(request, tmp_path) -> Path:
    """The folder of the audit: the repository itself, or one in it that needs quotes."""
    (tmp_path / ".git").mkdir()
    folder = tmp_path / request.param
    folder.mkdir(exist_ok=True)
    return folder


def test_githubs_job_audits_and_keeps_summary_page_and_junit(folder, tmp_path):
    job = job_of(GITHUB, folder, AUDIT)
    assert job.file == tmp_path / ".github/workflows/shortcut-audit.yml"
    read = yaml.safe_load(job.text)
    assert read["on"] == ["push", "pull_request"]
    (only,) = read["jobs"].values()
    place = folder.relative_to(tmp_path).as_posix()
    assert only["defaults"]["run"]["working-directory"] == place
    runs = [step["run"].strip() for step in only["steps"] if "run" in step]
    assert runs[:2] == [f"pip install shortcut-audit=={__version__}", AUDIT]
    assert "reports/summary.md" in runs[2]
    assert "$GITHUB_STEP_SUMMARY" in runs[2]
    upload = only["steps"][-1]
    assert upload["if"] == "always()"
    prefix = "" if place == "." else f"{place}/"
    assert upload["with"]["path"].split("\n")[:-1] == [
        f"{prefix}reports/{name}" for name in WRITTEN
    ]


def test_gitlabs_job_audits_and_keeps_page_and_junit(folder, tmp_path):
    job = job_of(GITLAB, folder, AUDIT, "timm")
    assert job.file == tmp_path / "shortcut-audit.gitlab-ci.yml"
    (only,) = yaml.safe_load(job.text).values()
    lines = only["script"][0].splitlines()
    place = folder.relative_to(tmp_path).as_posix()
    assert shlex.split(lines[0]) == ["cd", place]
    assert lines[1:] == [f"pip install 'shortcut-audit[timm]=={__version__}'", AUDIT]
    prefix = "" if place == "." else f"{place}/"
    assert only["artifacts"]["paths"] == [f"{prefix}reports/{name}" for name in WRITTEN]
    junit = only["artifacts"]["reports"]["junit"]
    assert junit == [f"{prefix}reports/{name}" for name in WRITTEN[3:]]
    assert job.hint == "add to .gitlab-ci.yml: include: {local: shortcut-audit.gitlab-ci.yml}"


@pytest.mark.parametrize("service", [GITHUB, GITLAB])
def test_no_job_names_the_address_of_a_registry(service, tmp_path):
    text = job_of(service, tmp_path, AUDIT).text.lower()
    assert not [host for host in HOSTS if host in text]


@pytest.mark.parametrize(
    ("files", "service"),
    [
        ({}, GITHUB),
        ({".gitlab-ci.yml": ""}, GITLAB),
        ({".github/workflows/x.yml": ""}, GITHUB),
        ({".git/config": '[remote "origin"]\n\turl = git@gitlab.example.org:a/b.git\n'}, GITLAB),
        ({".git/config": '[remote "origin"]\n\turl = https://github.com/gitlab/b\n'}, GITLAB),
        ({".git/config": '[remote "origin"]\n\turl = git@github.com:a/b.git\n'}, GITHUB),
        ({".git/config": "url = gitlab", ".github/x": ""}, GITHUB),
    ],
)
def test_the_service_is_the_repositorys(tmp_path, files, service):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert service_of(tmp_path) == service


def test_a_folder_in_no_repository_is_its_own(tmp_path):
    assert repository_of(tmp_path) == tmp_path
