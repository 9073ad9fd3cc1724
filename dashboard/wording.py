"""The words that the page's script shows, given to it by the page: the script itself has none."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from dashboard.figures import AGES, UNITS, UNKNOWN
from monitoring.models.instance import DisplayState


def script_texts() -> dict[str, Any]:
    """Return the texts of static/pierwatch/live.js in the active language; {n} and the like are filled in there."""
    return {
        "live": _("Live · {age} ago"),
        "waiting": _("Live"),
        "reconnecting": _("Reconnecting… ({n})"),
        "paused": _("Paused (tab hidden)"),
        "stale": _("Stale · last sample {age} ago"),
        "lost": _("Connection lost. Trying again in 3 s…"),
        "gone": _("Still no connection. Numbers are from {time}. Your reverse proxy may buffer {path}."),
        "new_version": _("A new version is running. Reload."),
        "reload": _("Reload"),
        "changed": _("{name}: {state}"),
        "changes": _("Instances with a new state: {n}"),
        "percent": _("{n} %"),
        "of": _("{used} / {limit}"),
        "ago": _("{age} ago"),
        "unknown": UNKNOWN,
        "units": [str(unit) for unit in UNITS],
        "ages": [[seconds, str(text)] for seconds, text in AGES],
        "states": {state.value: [state.glyph, str(state.label), state.tone] for state in DisplayState},
    }
