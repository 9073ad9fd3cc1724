"""Real engines for tests: the one of DOCKER_HOST, or Debian's dockerd started for this session in a folder of its own.

Everything it needs is private (data, sockets, pid file, network), so several sessions run side by side. The
image `local/busybox:test` is made of the machine's own busybox; no registry is asked.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

IMAGE = "local/busybox:test"
START_SECONDS = 60


class NoEngineError(Exception):
    """There is no engine here and none can be started; the message says what is missing."""


@dataclass
class RealEngine:
    """A real engine with the docker command line, and the containers that a test started there."""

    url: str
    started: list[str] = field(default_factory=list)

    def docker(self, *arguments: str) -> str:
        """Run the docker command line against this engine and return what it prints; raises CalledProcessError."""
        run = subprocess.run(
            ["docker", "-H", self.url, *arguments], capture_output=True, text=True, check=True, timeout=120
        )
        return run.stdout.strip()

    def run(self, name: str, *command: str, **options: str | bool | None) -> str:
        """Start a container in the background and return its id.

        Options as the command line has them: `memory="64m"`, `cpus="0.5"`, `restart="always"`, `network="none"` (the
        default: it works without a bridge); True is a bare flag. The name gets an ending of its own.
        """
        options.setdefault("network", "none")
        flags = [flag for key, value in options.items() for flag in _flags(key, value)]
        container_id = self.docker(
            "run", "--detach", "--name", unique(name), *flags, IMAGE, *(command or ("sleep", "1000"))
        )
        self.started.append(container_id)
        return container_id

    def clean(self) -> None:
        """Remove what was started."""
        if self.started:
            subprocess.run(
                ["docker", "-H", self.url, "rm", "-f", *self.started], capture_output=True, check=False, timeout=120
            )
            self.started.clear()


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


def _flags(key: str, value: str | bool | None) -> list[str]:
    flag = f"--{key.replace('_', '-')}"
    if value is True:
        return [flag]
    return [] if value in (None, False) else [flag, str(value)]


@contextmanager
def some_engine(folder: Path) -> Iterator[str]:
    """Yield the address of a real engine with the image; raises NoEngineError."""
    if os.environ.get("DOCKER_HOST"):
        import_image(os.environ["DOCKER_HOST"])
        yield os.environ["DOCKER_HOST"]
        return
    with private_engine(folder) as url:
        yield url


@contextmanager
def private_engine(folder: Path) -> Iterator[str]:
    """Start dockerd in a folder, whose path must be short (a socket has 107 characters); stop it afterwards."""
    if os.geteuid() != 0:
        raise NoEngineError("starting dockerd needs root; or set DOCKER_HOST")
    missing = [program for program in ("dockerd", "docker", "busybox") if not shutil.which(program)]
    if missing:
        raise NoEngineError(f"not installed: {', '.join(missing)} (apt-get install docker.io busybox-static)")
    url, log = f"unix://{folder}/docker.sock", folder / "dockerd.log"
    with log.open("wb") as output:
        engine = subprocess.Popen(_dockerd(folder, url), stdout=output, stderr=output, start_new_session=True)
    try:
        _wait_until_it_answers(engine, url, log)
        import_image(url)
        yield url
    finally:
        _remove_all(url)
        engine.terminate()
        engine.wait(30)


def _remove_all(url: str) -> None:
    left = subprocess.run(
        ["docker", "-H", url, "ps", "-aq"], capture_output=True, text=True, check=False
    ).stdout.split()
    if left:
        subprocess.run(["docker", "-H", url, "rm", "-f", *left], capture_output=True, check=False)


def _dockerd(folder: Path, url: str) -> list[str]:
    """Return the command: in a network namespace of its own, for a second dockerd tears down the first one's bridge."""
    dockerd = [
        "dockerd", f"--host={url}", f"--data-root={folder}/data", f"--exec-root={folder}/exec",
        f"--pidfile={folder}/docker.pid", "--iptables=false", "--ip6tables=false",
        "--exec-opt=native.cgroupdriver=cgroupfs",
    ]  # fmt: skip
    return ["unshare", "--net", *dockerd]


def _wait_until_it_answers(engine: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and engine.poll() is None:
        if subprocess.run(["docker", "-H", url, "version"], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise NoEngineError(f"dockerd did not start:\n{log.read_text(errors='replace')[-800:]}")


def import_image(url: str) -> None:
    """Make the test image of the machine's busybox, unless the engine has it."""
    known = subprocess.run(["docker", "-H", url, "image", "inspect", IMAGE], capture_output=True, check=False)
    if known.returncode != 0:
        subprocess.run(["docker", "-H", url, "import", "-", IMAGE], input=_image(), capture_output=True, check=True)


def _image() -> bytes:
    busybox = shutil.which("busybox")
    if not busybox:
        raise NoEngineError("busybox is missing (apt-get install busybox-static)")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    image = io.BytesIO()
    with tarfile.open(fileobj=image, mode="w") as tar:
        for name in ("bin", "tmp", "etc", "www", "proc", "sys", "dev"):
            tar.addfile(_entry(name, type=tarfile.DIRTYPE, mode=0o1777 if name == "tmp" else 0o755))
        tar.add(Path(busybox).resolve(), "bin/busybox")
        for applet in applets:
            if applet != "busybox":
                tar.addfile(_entry(f"bin/{applet}", type=tarfile.SYMTYPE, linkname="busybox"))
        tar.addfile(_entry("www/index.html", size=3), io.BytesIO(b"ok\n"))
    return image.getvalue()


def _entry(name: str, **fields: object) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode = 0o644
    for key, value in fields.items():
        setattr(entry, key, value)
    return entry
