"""axe-core finds nothing on the pages: WCAG 2.2 AA, both themes, desk and phone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from tests import world
from tests.e2e.conftest import NAME, PASSWORD, Product

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}}
SIGNED_IN = ["/?view=cards", "/?view=rows", "/?view=tiles", "/?q=nothing", "/p/auth/prod/api-1", "/personal"]
SIZES = {"desk": (1440, 900), "phone": (390, 844)}


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=list(SIZES))
def page(request: pytest.FixtureRequest, theme: str, chromium: Browser) -> Iterator[Page]:
    width, height = SIZES[request.param]
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce", locale="en-GB"
    )
    yield context.new_page()
    context.close()


def faults(page: Page) -> list[str]:
    answer = Axe().run(page, options=RULES).response
    assert answer["passes"]
    found = answer["violations"]
    return [f"{rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]]


def test_axe_finds_nothing_and_nothing_runs_over_the_edge(page: Page, live_server: LiveServer) -> None:
    User.objects.create_superuser(NAME, password=PASSWORD)
    world.build(12)
    told = world.notify()
    product = Product(live_server.url)
    page.goto(f"{product.url}/account/login")
    found = {"/account/login": faults(page)}
    product.sign_in(page)

    for address in [*SIGNED_IN, *told]:
        page.goto(product.url + address)
        found[address] = faults(page)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found[address].append("scrolls sideways")

    assert {address: list_ for address, list_ in found.items() if list_} == {}
