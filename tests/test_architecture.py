"""The rules of the layout: imports point down, and each outside system has one door."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ["monitoring", "notifications", "dashboard", "config"]
DOORS = {
    "docker": ["monitoring/engine/"],
    "requests": ["notifications/sender.py", "notifications/guard.py"],
    "celery": ["config/", "monitoring/tasks.py", "notifications/tasks.py"],
}
BANNED_NAMES = re.compile(
    r"(?<![a-z])(service|manager|helper|util|utils|common|base|core|data|info|handler|process)(?![a-z])"
)
MODULES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))


def imported_by(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down_only(path: Path) -> None:
    level = LAYERS.index(path.relative_to(ROOT).parts[0])
    above = set(LAYERS[level + 1 :])
    assert not {name for name in imported_by(path) if name.split(".")[0] in above}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_each_outside_system_is_reached_through_its_door(path: Path) -> None:
    for package, doors in DOORS.items():
        if any(name.split(".")[0] == package for name in imported_by(path)):
            assert any(name_of(path).startswith(door) for door in doors), f"{package} belongs behind {doors}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_have_names_that_say_something(path: Path) -> None:
    assert not BANNED_NAMES.search(path.stem)


@pytest.mark.parametrize("path", [path for path in MODULES if "migrations" not in path.parts], ids=name_of)
def test_files_stay_small(path: Path) -> None:
    limit = 500 if path.stem == "settings" or "models" in path.parts or path.stem == "models" else 300
    assert len(path.read_text(encoding="utf-8").splitlines()) <= limit
