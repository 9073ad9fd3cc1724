"""What stands above the instances: the health card's bar, filter chips with counts, choices and their addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import get_script_prefix
from django.utils.translation import gettext as _

from dashboard import health
from dashboard.cards import Card
from dashboard.selection import STATES, Selection
from dashboard.wording import script_texts
from monitoring.models import Preferences
from monitoring.models.instance import DisplayState


@dataclass(frozen=True, slots=True)
class Choice:
    """A link that changes one parameter of the selection. count: how many instances it would show."""

    label: str
    address: str
    current: bool
    count: int = 0
    glyph: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the health card's bar, in percent of its width."""

    tone: str
    x: float
    width: float


def tools(asked: Selection, selection: Selection, matching: list[Card], cards: list[Card]) -> dict[str, Any]:
    return {
        "host_names": sorted({card.host for card in cards}),
        "selection": selection,
        "asked_view": asked.view,
        "chips": _chips(asked, matching),
        "views": [
            Choice(label, asked.address(view=view), view == selection.view)
            for view, label in (("cards", _("Cards")), ("rows", _("Rows")), ("tiles", _("Tiles")))
        ],
        "sorts": [
            ("problems", _("Problems first")),
            ("name", _("Name")),
            ("cpu", _("CPU")),
            ("memory", _("Memory")),
        ],
        "groupings": [("stage", _("Project → stage")), ("project", _("Project")), ("host", _("Host"))],
        "addresses": {f"by_{sort}": asked.address(sort=sort) for sort in ("name", "problems", "cpu", "memory")}
        | {"clear": asked.address(state="", host="", project="", stage="", q="")},
    }


def live_page(preferences: Preferences) -> dict[str, Any]:
    """Return what templates need to load static/pierwatch/live.js."""
    return {
        "live": True,
        "stream": f"{get_script_prefix()}api/stream",
        "health_address": f"{get_script_prefix()}api/system-health",
        "texts": script_texts(),
        "cpu_levels": f"{preferences.cpu_warn_percent} {preferences.cpu_critical_percent}",
        "memory_levels": f"{preferences.memory_warn_percent} {preferences.memory_critical_percent}",
    }


def health_card() -> dict[str, Any]:
    """Return the summary and the parts of its bar: healthy, restarting, unhealthy, at rest."""
    summary = health.summary()
    sizes = {
        "ok": summary["containers_running"] - summary["containers_unhealthy"],
        "warn": summary["containers_restarting"],
        "crit": summary["containers_unhealthy"],
        "idle": summary["containers_stopped"] + summary["containers_paused"],
    }
    return {"health": summary, "parts": _parts(sizes)}


def _parts(sizes: dict[str, int]) -> list[Part]:
    total = sum(sizes.values())
    parts, done = [], 0
    for tone, count in sizes.items():
        if count:
            parts.append(Part(tone, round(done / total * 100, 2), round(count / total * 100, 2)))
        done += count
    return parts


def _chips(asked: Selection, matching: list[Card]) -> list[Choice]:
    counts = {state: sum(map(says, matching)) for state, says in STATES.items()}
    everything = Choice(_("All"), asked.address(state=""), not asked.state, len(matching))
    chips = [everything]
    for state, label, look in (
        ("unhealthy", _("Unhealthy"), DisplayState.UNHEALTHY),
        ("restarting", _("Restarting"), DisplayState.RESTARTING),
        ("stopped", _("Stopped"), DisplayState.EXITED),
        ("paused", _("Paused"), DisplayState.PAUSED),
        ("unknown", _("Unknown"), DisplayState.UNKNOWN),
        ("running", _("Running"), DisplayState.RUNNING),
    ):
        always = state in ("unhealthy", "restarting", "stopped")
        if always or asked.state == state or (counts[state] and state != "running"):
            chips.append(
                Choice(label, asked.address(state=state), asked.state == state, counts[state], look.glyph, look.tone)
            )
    if counts["stale"] or asked.state == "stale":
        stale = asked.address(state="stale")
        chips.append(Choice(_("Stale"), stale, asked.state == "stale", counts["stale"], "⚑", "warn"))
    return chips
