"""The report in a real Chromium: opened from disk with the network cut, on a desk and on a phone.

Needs Debian's Chromium (`make browser`) and is skipped where there is none.
"""

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SCREENSHOTS = os.environ.get("FEW_WEIGHTS_SCREENSHOTS")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; `make browser` installs Debian's")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        # Root, as in containers, may not use Chromium's sandbox.
        sandbox = [] if os.geteuid() else ["--no-sandbox"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(finished_smoke) -> str:
    return (finished_smoke.folder / "results" / "smoke" / "report.html").as_uri()


class Visit:
    """A page that was opened offline, with what it asked for and complained of."""

    def __init__(self, browser, address: str, width: int, scheme: str = "light"):
        context = browser.new_context(
            offline=True, viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        self.page = context.new_page()
        self.requests, self.complaints = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        self.page.goto(address)
        self.page.wait_for_load_state("networkidle")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_report_from_disk(browser, address, width, scheme):
    visit = Visit(browser, address, width, scheme)
    page = visit.page
    if SCREENSHOTS:
        page.screenshot(path=f"{SCREENSHOTS}/report-{width}.png", full_page=True)
    assert [url for url in visit.requests if url != address and not url.startswith("data:")] == []
    assert visit.complaints == []

    figures = page.locator("figure svg")
    assert figures.count() == 10  # six, and a curve for each of four architectures
    for number in range(figures.count()):
        box = figures.nth(number).bounding_box()
        assert box["width"] > 300 and box["height"] > 80, figures.nth(number).get_attribute("aria-label")
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


def test_tables_sort_by_a_click_and_turn_round_by_another(browser, address):
    page = Visit(browser, address, 1440).page
    table = page.locator("#cost table").first
    cells = table.locator("tbody tr td:nth-child(3)")
    unsorted = cells.all_inner_texts()
    weights = sorted(int(text.replace(",", "")) for text in unsorted)
    heading = table.get_by_role("button", name="Weights")
    for expected in (weights, weights[::-1]):
        heading.click()
        assert [int(text.replace(",", "")) for text in cells.all_inner_texts()] == expected
    page.context.close()


def test_every_entry_of_the_contents_leads_somewhere(browser, address):
    page = Visit(browser, address, 1440).page
    links = page.locator("nav a")
    assert links.count() > 5
    for number in range(links.count()):
        assert page.locator(links.nth(number).get_attribute("href")).count() == 1
    page.context.close()
