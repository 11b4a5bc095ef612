"""Chromium without a window, steered by Selenium; where it is not installed these tests skip."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from made_report import made_report
from searched_folder import FALLS, HONEST, write_folder

from shortcut_audit import registry
from shortcut_audit.cli import main
from shortcut_audit.reporting.rewrite import shown_again

ROOT = Path(__file__).parents[2]
PROGRAMS = ("chromium", "chromedriver")
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # an image of CI runs as root
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
WITHOUT_SCRIPTS = {"profile.managed_default_content_settings.javascript": 2}


@pytest.fixture(scope="session")
def chromium():
    """`with chromium(width, dark) as driver`: a browser with an empty profile."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs the extra 'browser'")
    for program in PROGRAMS:
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install chromium chromium-driver")

    @contextmanager
    def started(width: int = 1280, dark: bool = False, scripts: bool = True) -> Iterator:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ARGUMENTS:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        if not scripts:
            options.add_experimental_option("prefs", WITHOUT_SCRIPTS)
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        driver = webdriver.Chrome(options=options, service=service)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        try:
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
            yield driver
        finally:
            driver.quit()

    return started


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> str:
    """The address of a page with every verdict, and pictures in it."""
    folder = tmp_path_factory.mktemp("small")
    path = registry.build("reporter", "report_html").write(made_report(folder, 5, 2), folder)
    return path.as_uri()


@pytest.fixture(scope="session")
def beside(tmp_path_factory) -> str:
    """The same with style and pictures beside it."""
    folder = tmp_path_factory.mktemp("beside")
    reporter = registry.build("reporter", "report_html", {"split": True})
    return reporter.write(made_report(folder, 5, 2), folder).as_uri()


@pytest.fixture(scope="session")
def large(tmp_path_factory) -> str:
    """50 models and 5 decoys."""
    folder = tmp_path_factory.mktemp("large")
    report = made_report(folder, 50, 5, tiles=8, side=160)
    return registry.build("reporter", "report_html").write(report, folder).as_uri()


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> str:
    """What the last `make audit` reports."""
    reports = ROOT / "reports"
    if not (reports / "verdict.json").is_file():
        pytest.skip("needs the demo's reports: make audit")
    folder = tmp_path_factory.mktemp("demo")
    if (reports / "pictures").is_dir():
        shutil.copytree(reports / "pictures", folder / "pictures")
    report, _ = shown_again(reports / "verdict.json")
    return registry.build("reporter", "report_html").write(report, folder).as_uri()


@pytest.fixture(scope="session")
def discovered(tmp_path_factory) -> str:
    """What a search found: confirmed in one model, and shared by all."""
    folder = tmp_path_factory.mktemp("discovered")
    command = write_folder(folder, {**HONEST, **FALLS})
    with contextlib.chdir(folder):
        assert main(command) == 1
    return (folder / "found/discovered.html").as_uri()
