"""Fixtures that many tests share: engines, simulated and real."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.engines import NoEngineError, RealEngine, some_engine
from tests.simulated_engine import SimulatedEngine
from tests.streaming import Daphne


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Return a folder whose path is short enough for a unix socket's 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="pw-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def simulated_engine(short_path: Path) -> Iterator[SimulatedEngine]:
    """Return a simulated engine on a unix socket, without containers: see tests/simulated_engine.py."""
    with SimulatedEngine(short_path / "docker.sock") as engine:
        yield engine


@pytest.fixture(scope="session")
def engine_url() -> Iterator[str]:
    """Return the address of a real engine: DOCKER_HOST, or a dockerd of our own. For tests marked `engine`."""
    folder = Path(tempfile.mkdtemp(prefix="pw-engine-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            yield stack.enter_context(some_engine(folder))
        except NoEngineError as missing:
            if os.environ.get("PIERWATCH_NO_SKIP"):
                pytest.fail(f"no real engine: {missing}")
            pytest.skip(f"no real engine: {missing}")


@pytest.fixture
def real_engine(engine_url: str) -> Iterator[RealEngine]:
    """Return a real engine to run containers on; they are removed after the test."""
    engine = RealEngine(engine_url)
    yield engine
    engine.clean()


@pytest.fixture(scope="session")
def daphne() -> Iterator[Daphne]:
    """Return a real Daphne with the whole application, started once for all tests."""
    server = Daphne()
    yield server
    server.stop()


@pytest.fixture
def live_server_url(daphne: Daphne, transactional_db: None) -> str:
    """Return the address of a real Daphne with streams; it sees the test's database and channel layer."""
    return daphne.url
