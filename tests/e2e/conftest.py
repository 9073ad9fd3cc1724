"""Chromium, and the real product as its user starts it: `manage.py serve` on a data folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
NAME, PASSWORD = "anna", "a good passphrase"
START_SECONDS = 90


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Return the browser. Playwright's loop runs in this thread, which Django takes for asynchronous code."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not path:
        missing = "no Chromium on this machine"
        pytest.fail(missing) if os.environ.get("PIERWATCH_NO_SKIP") else pytest.skip(missing)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@dataclass(frozen=True)
class Product:
    url: str

    def sign_in(self, page: Page) -> None:
        page.goto(f"{self.url}/account/login")
        page.get_by_label("Username").fill(NAME)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.url}/")


@pytest.fixture(scope="module")
def product(engine_url: str) -> Iterator[Product]:
    """Return the running product, watching the real engine every second."""
    folder, url = tempfile.mkdtemp(prefix="pw-e2e-"), f"http://127.0.0.1:{_free_port()}"
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PIERWATCH_", "DJANGO_"))}
    wanted = {
        "DOCKER_HOST": engine_url,
        "PIERWATCH_DATA_DIR": folder,
        "PIERWATCH_PORT": url.rpartition(":")[2],
        "PIERWATCH_SAMPLE_SECONDS": "1",
        "PIERWATCH_PRIVATE_TARGETS": "allow",  # receivers of notifications listen on loopback
        "PIERWATCH_ADMIN_USER": NAME,
        "PIERWATCH_ADMIN_PASSWORD": PASSWORD,
    }
    command = [sys.executable, str(ROOT / "manage.py"), "serve"]
    with (
        (Path(folder) / "log").open("wb") as log,
        subprocess.Popen(command, env=clean | wanted, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT) as running,
    ):
        try:
            _wait_until_it_answers(url, running, Path(folder) / "log")
            yield Product(url)
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(20)
    shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_it_answers(url: str, running: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert running.poll() is None, log.read_text(encoding="utf-8")
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"no answer in {START_SECONDS} s: {log.read_text(encoding='utf-8')}")
