"""The main job, seen by a browser: containers of a real engine, and their figures move."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Product
from tests.engines import RealEngine

pytestmark = pytest.mark.e2e
WAIT = 30_000


@pytest.fixture
def page(chromium: Browser, product: Product) -> Page:
    """Return a signed-in page that fails the test on any script error or blocked resource."""
    opened = chromium.new_context(locale="en-GB").new_page()
    opened.set_default_timeout(WAIT)
    product.sign_in(opened)
    return opened


def test_the_bar_of_a_busy_container_moves_and_a_stopped_one_says_so(
    page: Page, product: Product, real_engine: RealEngine
) -> None:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    work = "while true; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.3; done"
    busy = real_engine.run("busy", "sh", "-c", work, label="pierwatch.project=e2e", memory="64m")
    name = real_engine.docker("inspect", "--format", "{{.Name}}", busy).lstrip("/")

    card = page.locator(f"[data-name='{name}']")
    bar = card.get_by_role("meter", name="CPU")
    expect(card).to_be_visible(timeout=WAIT)
    expect(bar).not_to_have_attribute("aria-valuenow", "0", timeout=WAIT)
    before = bar.get_attribute("aria-valuenow")
    expect(bar).not_to_have_attribute("aria-valuenow", str(before), timeout=WAIT)
    width = float(str(bar.locator("rect").get_attribute("width")).rstrip("%"))
    expect(card.get_by_role("meter", name="Memory")).to_contain_text("64.0\u00a0MiB")
    expect(page.locator("#live")).to_contain_text("Live · ")
    real_engine.docker("stop", "--time", "0", busy)

    assert 0 < width <= 100
    expect(card).to_contain_text("Stopped", timeout=WAIT)
    expect(page.locator("#announcer")).to_contain_text("Stopped", timeout=WAIT)
    assert not problems


def test_without_javascript_the_page_is_complete(chromium: Browser, product: Product, real_engine: RealEngine) -> None:
    real_engine.run("calm", label="pierwatch.project=e2e")
    page = chromium.new_context(java_script_enabled=False, locale="en-GB").new_page()
    product.sign_in(page)

    def shown() -> bool:
        page.goto(product.url)
        return page.locator(".card .figure", has_text="0.0 %").count() > 0

    for _ in range(30):
        if shown():
            break
        page.wait_for_timeout(500)

    assert shown()
    assert page.get_by_role("button", name="Apply").is_visible()
