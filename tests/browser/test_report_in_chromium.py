"""The report in a real Chromium: opened from disk without a network, on a desktop, a laptop and a phone.

Needs Debian's Chromium (`make packages`) and is skipped if there is none.
"""

import os
import shutil
from pathlib import Path

import pytest
from conftest import ROOT
from playwright.sync_api import sync_playwright
from samples.pages import TEMPLATES, placeholders_of

from few_weights.analysis import read_tables
from few_weights.analysis.table_columns import TABLES
from few_weights.report.figures import style
from few_weights.report.page import render_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SCREENSHOTS = os.environ.get("FEW_WEIGHTS_SCREENSHOTS")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here; `make packages` installs Debian's"
)

#: The committed studies that have a report.
REFERENCES = sorted(path.parent for path in (ROOT / "results" / "reference").glob("*/runs.csv"))

#: The names of the tables and figures that are wider than their boxes, or whose boxes leave the window.
CUT_OFF = """() => [...document.querySelectorAll(".scroll, .drawing")]
  .filter((box) => {
    const { left, right } = box.getBoundingClientRect();
    return box.scrollWidth > box.clientWidth + 1 || left < 0 || right > innerWidth;
  })
  .map((box) => box.getAttribute("aria-label") ?? box.querySelector("svg").getAttribute("aria-label"))"""

OPEN_DETAILS = "document.querySelectorAll('details').forEach((details) => { details.open = true; })"


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
    """The report of the finished small study."""
    return (finished_smoke.folder / "results" / "smoke" / "report.html").as_uri()


class Visit:
    """A page that was opened offline, with its requests and its errors."""

    def __init__(self, browser, address: str, width: int, scheme: str = "light"):
        context = browser.new_context(
            offline=True, viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        self.page = context.new_page()
        self.requests, self.errors = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console",
            lambda message: (
                self.errors.append(message.text) if message.type in ("error", "warning") else None
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
    assert visit.errors == []

    figures = page.locator("figure svg")
    assert figures.count() == 11  # seven, and a curve for each of four architectures
    for number in range(figures.count()):
        box = figures.nth(number).bounding_box()
        assert box["width"] > 300 and box["height"] > 80, figures.nth(number).get_attribute("aria-label")
        frame = page.locator(".drawing").nth(number).bounding_box()
        assert frame["x"] >= 0 and frame["x"] + frame["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


def test_tables_sort_by_a_click_and_in_reverse_by_another(browser, address):
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


def render_reference(study: Path, folder: Path) -> str:
    """A report of a committed study's tables by the present code, with empty figures."""
    runs = read_tables.read_runs(study / "runs.csv")
    breakpoints = read_tables.read_breakpoints(study / "breakpoints.csv")
    names = TABLES.keys() & {path.stem for path in study.glob("*.csv")} - {"runs", "breakpoints"}
    tables = {name: read_tables.read_table(study / f"{name}.csv", TABLES[name]) for name in names}
    page = folder / "report.html"
    page.write_text(
        render_report(TEMPLATES / "report.html.j2", runs, breakpoints, placeholders_of(breakpoints), tables)
    )
    return page.as_uri()


@pytest.mark.parametrize("study", REFERENCES, ids=lambda path: path.name)
def test_tables_fit_on_a_laptop_and_the_page_on_a_phone(browser, tmp_path, study):
    address = render_reference(study, tmp_path)
    for width in (1280, 375):
        page = Visit(browser, address, width).page
        page.evaluate(OPEN_DETAILS)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if width == 1280:
            assert page.evaluate(CUT_OFF) == []
        page.context.close()


def test_the_small_studys_tables_fit_on_a_laptop(browser, address):
    page = Visit(browser, address, 1280).page
    page.evaluate(OPEN_DETAILS)
    assert page.evaluate(CUT_OFF) == []
    page.context.close()


def test_text_of_figures_can_be_read_on_a_phone(browser, address):
    """The smallest text of a figure is at least 9 pixels high; wider figures scroll in their boxes."""
    page = Visit(browser, address, 375).page
    figures = page.locator("figure svg")
    for number in range(figures.count()):
        pixels_per_point = figures.nth(number).bounding_box()["width"] / (72 * style.WIDTH)
        assert style.SMALLEST_SIZE * pixels_per_point >= 9
    page.context.close()
