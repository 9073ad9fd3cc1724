"""Rules for all templates: nothing that the content security policy blocks, nothing that cannot be translated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.template.loader import get_template

ROOT = Path(__file__).resolve().parent.parent / "templates"
TEMPLATES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.html"))
ATTRIBUTES = re.compile(r"{% block body %}.*?{% endblock %}")
TRANSLATED = re.compile(r"{%-?\s*blocktrans\w*.*?endblocktrans\w*\s*-?%}", re.DOTALL)
TAGS = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}", re.DOTALL)
MARKUP = re.compile(r"<pre.*?</pre>|<code>.*?</code>|<[^>]*>", re.DOTALL)
KEPT = {"Pierwatch", "Pierwatch · Pierwatch", "docker"}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_compiles(name: str) -> None:
    assert get_template(name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_has_nothing_that_the_policy_blocks(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")

    assert not re.findall(r"\sstyle=|<style|\son\w+=|javascript:|<script>", text)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_word_of_a_template_can_be_translated(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for what in (ATTRIBUTES, TRANSLATED, TAGS):
        text = what.sub("", text)
    left = MARKUP.sub("\n", text)
    words = {line.strip() for line in left.splitlines() if re.search(r"[A-Za-z]{2}", line)}

    assert words <= KEPT
