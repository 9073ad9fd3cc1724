"""A person sets a destination up, sees a true preview, tests it, watches a failure and sends it again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Product
from tests.receivers import Receiver

pytestmark = pytest.mark.e2e


@pytest.fixture
def page(chromium: Browser, product: Product) -> Page:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(10_000)
    product.sign_in(page)
    return page


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_from_the_first_destination_to_a_replayed_delivery(page: Page, product: Product):
    with Receiver((200, {}, b"ok"), (400, {}, b"invalid_payload"), (200, {}, b"ok")) as receiver:
        page.goto(f"{product.url}/notifications/")
        expect(page.get_by_text("Nobody will be told.")).to_be_visible()
        page.get_by_role("link", name="Add a channel").first.click()

        page.get_by_label("Address", exact=True).fill("https://ntfy.sh/alarm")
        expect(page.get_by_role("radio", name="ntfy")).to_be_checked()
        page.get_by_text("Slack", exact=True).click()
        page.get_by_label("Name", exact=True).fill("#ops")
        page.get_by_label("Address", exact=True).fill(receiver.url)
        page.get_by_label("Event", exact=True).select_option("deploy.failed")
        preview = page.locator("#preview")
        expect(preview.locator(".m-title")).to_have_text("▲ Deploy failed: shop / production (test)")
        page.locator("#preview_language").select_option("ru")
        expect(preview.locator(".m-title")).not_to_contain_text("Deploy failed")
        page.locator("#preview_language").select_option("")
        expect(preview.locator(".m-title")).to_contain_text("Deploy failed")
        preview.get_by_text("Request body").click()
        shown = json.loads(preview.locator(".sent pre").last.inner_text())

        page.get_by_role("button", name="Save and send test").click()
        expect(page.get_by_text("Delivered: 200 OK in")).to_be_visible()
        sent = json.loads(receiver.received[0].body)
        assert sent["blocks"][0] == shown["blocks"][0], "the preview was true"

        page.get_by_role("button", name="Send test", exact=True).click()
        expect(page.locator("#tested")).to_contain_text("Slack answered 400 invalid_payload")

        page.goto(f"{product.url}/notifications/deliveries?status=undelivered")
        row = page.locator("tbody tr")
        expect(row).to_have_count(1)
        row.get_by_role("button", name="Replay").click()
        expect(page.get_by_text("Queued again as delivery")).to_be_visible()
        wait_for(lambda: len(receiver.received) == 3)
        _first, second, third = (json.loads(request.body)["text"] for request in receiver.received)
        assert second == third

        page.goto(f"{product.url}/notifications/")
        box = page.get_by_role("checkbox", name="Deploy started: #ops")
        box.check()
        expect(page.locator("#toasts")).to_contain_text("Saved.")
        page.reload()
        expect(box).to_be_checked()
        box.uncheck()
        page.get_by_role("button", name="Undo").click()
        expect(box).to_be_checked()
        page.reload()
        expect(box).to_be_checked()
