"""The page as a browser shows it: every link lands, every picture loads, nothing leaves."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

PAGES = ("small", "beside", "large", "demo", "discovered")
SEEN = "return arguments[0].checkVisibility({contentVisibilityAuto: true})"
OPEN = "document.querySelectorAll('details').forEach(each => each.open = true)"
IMAGES = "return [...document.images].map(each => [each.complete, each.naturalWidth])"
LANDED = """
return [...document.querySelectorAll('a[href^="#"]')].map(
    each => document.getElementById(each.hash.slice(1)) !== null)
"""
COVERED = """
return [...document.querySelectorAll('details li, details table, details img')].filter(
    each => each.getBoundingClientRect().height == 0 || !each.checkVisibility()).length
"""
WIDTH = "return document.documentElement.scrollWidth"
AXE = """
const done = arguments[arguments.length - 1];
axe.run({resultTypes: ['violations']}).then(found => done(found.violations.map(each =>
    [each.impact, each.id, each.nodes.length, each.nodes[0].html.slice(0, 200),
     each.nodes[0].failureSummary])));
"""


def asked_for(driver) -> set[str]:
    """The schemes of every request that the browser made."""
    found = set()
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            found.add(message["params"]["request"]["url"].partition(":")[0])
    return found


@pytest.mark.parametrize("page", PAGES)
def test_links_land_pictures_load_and_no_request_leaves_without_scripts(chromium, page, request):
    address = request.getfixturevalue(page)
    with chromium(scripts=False) as driver:
        driver.get_log("performance")
        driver.get(address)
        driver.execute_script(OPEN)  # the driver's own scripts run all the same
        landed = driver.execute_script(LANDED)
        assert landed
        assert all(landed)
        images = driver.execute_async_script(
            "const done = arguments[0]; Promise.all([...document.images].map(each => {"
            "each.loading = 'eager'; return each.decode()})).then(() => done(true), done)"
        )
        assert images is True
        assert all(complete and width > 0 for complete, width in driver.execute_script(IMAGES))
        assert asked_for(driver) <= {"file", "data"}
        assert driver.get_log("browser") == []


def test_a_cell_opens_what_it_leads_to(chromium, small):
    with chromium() as driver:
        driver.get(small)
        driver.find_element("css selector", "#matrix summary").click()
        cells = driver.find_elements("css selector", "#matrix td a")
        assert len(cells) > 10
        for cell in cells:
            target = driver.find_element("id", cell.get_attribute("href").partition("#")[2])
            cell.click()
            assert driver.execute_script(SEEN, target)
            assert driver.find_element("css selector", ":target") == target


def test_the_keyboard_reaches_the_models_first(chromium, small):
    from selenium.webdriver.common.keys import Keys

    with chromium() as driver:
        driver.get(small)
        driver.find_element("tag name", "body").send_keys(Keys.TAB)
        first = driver.switch_to.active_element
        assert first.text == "Skip to the models"
        assert first.size["height"] > 10
        first.send_keys(Keys.ENTER)
        assert driver.find_element("css selector", ":target").get_attribute("id") == "models"


def test_paper_shows_what_is_closed(chromium, small):
    with chromium() as driver:
        driver.get(small)
        assert driver.execute_script(COVERED) > 0
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        assert driver.execute_script(COVERED) == 0


@pytest.mark.parametrize("page", ["small", "large", "demo", "discovered"])
def test_a_phone_needs_no_scrolling_sideways(chromium, page, request):
    address = request.getfixturevalue(page)
    with chromium(390) as driver:
        driver.get(address)
        assert driver.execute_script(WIDTH) == 390
        if page != "large":
            driver.execute_script(OPEN)
            assert driver.execute_script(WIDTH) == 390


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=["light", "dark"])
@pytest.mark.parametrize("page", ["small", "demo", "discovered"])
def test_axe_finds_no_serious_violation(chromium, page, width, dark, request):
    pytest.importorskip("axe_selenium_python", reason="needs the extra 'browser'")
    script = files("axe_selenium_python") / "node_modules/axe-core/axe.min.js"
    address = request.getfixturevalue(page)
    with chromium(width, dark) as driver:
        driver.get(address)
        driver.execute_script(OPEN)
        driver.execute_script(script.read_text(encoding="utf-8"))
        driver.set_script_timeout(120)
        found = driver.execute_async_script(AXE)
    assert [each for each in found if each[0] in ("serious", "critical")] == []
