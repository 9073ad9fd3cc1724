"""The catalogues are complete, keep every placeholder and tag, and follow the sources."""

from __future__ import annotations

import gettext
import io
import re
import shutil
from collections import Counter
from pathlib import Path

import polib
import pytest
from django.conf import settings as configured
from django.core.management import call_command
from pytest_django.fixtures import Settings

ROOT = Path(__file__).resolve().parent.parent
CATALOGUES = sorted((ROOT / "locale").glob("*/LC_MESSAGES/django.po"))
SOURCES = ("config", "dashboard", "monitoring", "notifications", "templates")
PLACEHOLDERS = re.compile(r"%\(\w+\)[sdr]|%%|%[sd]|\{\w*\}|</?\w+[^>]*>")
named = pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.parent.name)


def texts(entry: polib.POEntry) -> list[tuple[str, str]]:
    """Return (source, translation) of every form; a singular may leave its number out."""
    if not entry.msgid_plural:
        return [(entry.msgid, entry.msgstr)]
    return [(entry.msgid_plural, text) for text in entry.msgstr_plural.values()]


def test_every_offered_language_but_english_has_a_catalogue() -> None:
    assert {path.parent.parent.name for path in CATALOGUES} == {code for code, _name in configured.LANGUAGES} - {"en"}


@named
def test_a_catalogue_is_complete_and_nothing_in_it_is_doubtful(path: Path) -> None:
    catalogue = polib.pofile(str(path))

    assert [entry.msgid for entry in catalogue if not entry.translated()] == []
    assert [entry.msgid for entry in catalogue if entry.fuzzy or entry.obsolete] == []


@named
def test_a_translation_keeps_placeholders_and_markup(path: Path) -> None:
    broken = [
        (source, text)
        for entry in polib.pofile(str(path))
        for source, text in texts(entry)
        if Counter(PLACEHOLDERS.findall(source)) != Counter(PLACEHOLDERS.findall(text))
    ]

    assert broken == []


def test_russian_counts_in_three_forms() -> None:
    catalogue = polib.pofile(str(ROOT / "locale/ru/LC_MESSAGES/django.po"))
    russian = gettext.GNUTranslations(io.BytesIO(catalogue.to_binary()))

    said = [russian.ngettext("%(n)s label", "%(n)s labels", count) for count in (1, 2, 5, 11, 21, 112)]

    assert said == [f"%(n)s {word}" for word in ("метка", "метки", "меток", "меток", "метка", "меток")]


@pytest.mark.skipif(not shutil.which("xgettext"), reason="xgettext is not installed")
def test_the_catalogue_follows_the_sources(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made up to date by `manage.py makemessages -l ru --no-location --no-wrap`, then translate what is new."""
    for name in SOURCES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.pyc", "static", "migrations"))
    settings.LOCALE_PATHS = [tmp_path / "locale"]
    (tmp_path / "locale").mkdir()
    monkeypatch.chdir(tmp_path)
    call_command("makemessages", locale=["ru"], no_location=True, no_wrap=True, verbosity=0)

    found, kept = (
        {entry.msgid for entry in polib.pofile(str(base / "locale/ru/LC_MESSAGES/django.po"))}
        for base in (tmp_path, ROOT)
    )

    assert sorted(found - kept) == []
    assert sorted(kept - found) == []
