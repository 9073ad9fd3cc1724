"""The files beside the code keep their promises."""

import re
import tomllib
from pathlib import Path

from django.conf import settings

ROOT = Path(__file__).resolve().parent.parent


def test_the_lock_names_no_host_and_no_path() -> None:
    lock = (ROOT / "constraints.txt").read_text(encoding="utf-8")

    assert not re.search(r"://|^--|^/|file:", lock, re.MULTILINE)


def test_the_lock_pins_every_dependency_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + [item for extra in project["optional-dependencies"].values() for item in extra]
    names = {re.split(r"[\[<>=~!; ]", item)[0].lower() for item in wanted} - {"pierwatch"}
    pinned = {
        line.split("==")[0].lower()
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }

    assert names - pinned == set()


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["version"] == settings.VERSION
