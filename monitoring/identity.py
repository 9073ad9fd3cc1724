"""Who a container is: project, stage, name, service and slot, read from its labels and name. Pure; trusts nothing.

Labels and names are text that anybody may have written: what leaves here is free of NUL (PostgreSQL refuses it), of
control characters and of halves of surrogate pairs, is capped, and as a slug never empty and always the same.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

COMPOSE_PROJECT = "com.docker.compose.project"
COMPOSE_SERVICE = "com.docker.compose.service"
COMPOSE_ONEOFF = "com.docker.compose.oneoff"
SWARM_STACK = "com.docker.stack.namespace"
SWARM_SERVICE = "com.docker.swarm.service.name"
SWARM_TASK = "com.docker.swarm.task.name"
STANDALONE = "standalone"
DEFAULT_STAGE = "default"

# docker-compose creates the next container of a slot under "<id of the old one>_<name>" and renames it afterwards
TEMPORARY_NAME = re.compile(r"^[0-9a-f]{12}_(?=.)")
STAGE_SUFFIX = re.compile(r"^(.+)-(dev|test|qa|staging|stage|preview|prod|production)$")
# Cc control, Cs half of a surrogate pair, Co private, and the marks that turn the direction of what follows
_BIDI_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

PROJECT_LENGTH, STAGE_LENGTH, NAME_LENGTH, SLOT_LENGTH, SERVICE_LENGTH = 100, 60, 255, 300, 200
LABELS_KEPT, LABEL_NAME_LENGTH, LABEL_VALUE_LENGTH = 200, 300, 4000


@dataclass(frozen=True, slots=True)
class Identity:
    """Where a container belongs. project, stage: slugs; the names are for people."""

    project: str
    project_name: str
    stage: str
    name: str
    slot: str
    service: str = ""
    temporary: bool = False
    swarm: bool = False
    warnings: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the administrator says about stages: found project -> (project, stage), and the host's default stage."""

    mappings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    default_stage: str = ""


def identify(name: str, labels: Mapping[str, str], rules: Rules | None = None) -> Identity | None:
    """Return who the container NAME with LABELS is; None for one that is not to be watched."""
    own = {key: clean(labels.get(f"pierwatch.{key}", ""), NAME_LENGTH) for key in ("project", "stage", "name")}
    if is_true(labels.get("pierwatch.ignore", "")) or is_true(labels.get(COMPOSE_ONEOFF, "")):
        return None
    found = clean(labels.get(COMPOSE_PROJECT) or labels.get(SWARM_STACK) or "", 200)
    project, stage = _place(found, own["project"], own["stage"], rules or Rules())
    slot = _slot(name, labels)
    return Identity(
        project=slug(project, PROJECT_LENGTH),
        project_name=clean(project, 200),
        stage=slug(stage, STAGE_LENGTH),
        name=own["name"] or slot[:NAME_LENGTH],
        slot=slot,
        service=_service(labels, found),
        temporary=_is_temporary(name, labels),
        swarm=SWARM_SERVICE in labels,
        warnings=_warnings(labels),
    )


def _place(found: str, own_project: str, own_stage: str, rules: Rules) -> tuple[str, str]:
    """Return (project, stage): own label, mapping, suffix of the project found, default of the host, "default"."""
    mapped_project, mapped_stage = rules.mappings.get(found, ("", "")) if found else ("", "")
    suffix = STAGE_SUFFIX.match(found.lower())
    stage = own_stage or mapped_stage or (suffix[2] if suffix and not own_project else "")
    project = own_project or mapped_project or found or STANDALONE
    if suffix and project == found and slug(stage, STAGE_LENGTH) == suffix[2]:
        project = found[: suffix.end(1)]
    return project, stage or rules.default_stage or DEFAULT_STAGE


def _slot(name: str, labels: Mapping[str, str]) -> str:
    """Return what survives a redeploy: the container's name, or service and task slot in Swarm."""
    service, task = labels.get(SWARM_SERVICE, ""), labels.get(SWARM_TASK, "")
    if service and task.startswith(f"{service}."):
        name = f"{service}.{task[len(service) + 1 :].split('.')[0]}"
    elif _is_temporary(name, labels):
        name = TEMPORARY_NAME.sub("", name)
    return clean(name, SLOT_LENGTH) or f"container-{_digest(name)}"


def _is_temporary(name: str, labels: Mapping[str, str]) -> bool:
    return COMPOSE_PROJECT in labels and bool(TEMPORARY_NAME.match(name))


def _service(labels: Mapping[str, str], stack: str) -> str:
    service = labels.get(COMPOSE_SERVICE) or labels.get(SWARM_SERVICE, "").removeprefix(f"{stack}_")
    return clean(service, SERVICE_LENGTH)


def _warnings(labels: Mapping[str, str]) -> list[dict[str, str]]:
    """Name our own labels whose value could not be used as it stands."""
    limits = {"project": PROJECT_LENGTH, "stage": STAGE_LENGTH, "name": NAME_LENGTH}
    found = [
        {"label": f"pierwatch.{key}", "value": clean(labels.get(f"pierwatch.{key}", ""), 80), "problem": "too_long"}
        for key, limit in limits.items()
        if len(labels.get(f"pierwatch.{key}", "")) > limit
    ]
    ignore = labels.get("pierwatch.ignore", "")
    if ignore.strip().lower() not in {"", "true", "false", "1", "0", "yes", "no", "on", "off"}:
        found.append({"label": "pierwatch.ignore", "value": clean(ignore, 80), "problem": "not_yes_or_no"})
    return found


def is_true(text: str) -> bool:
    return text.strip().lower() in {"true", "1", "yes", "on"}


def clean(text: str, length: int) -> str:
    """Return TEXT in one line without characters that harm a database or a screen, at most LENGTH long."""
    kept = "".join(" " if _is_harmful(character) else character for character in text[: length * 4])
    return " ".join(kept.split())[:length].rstrip()


def clean_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return LABELS as they can be stored: harmless, and of bounded number and size."""
    chosen = sorted(labels.items())[:LABELS_KEPT]
    return {clean(key, LABEL_NAME_LENGTH): harmless(value, LABEL_VALUE_LENGTH) for key, value in chosen}


def harmless(text: str, length: int) -> str:
    """Return TEXT with its line breaks, but without NUL and halves of surrogate pairs."""
    return text[:length].replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _is_harmful(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Co", "Zl", "Zp") or character in _BIDI_MARKS


def slug(text: str, length: int) -> str:
    """Return TEXT for an address: letters and digits of any script, `-` and `_`; the same text, the same slug.

    Where letters are lost, a digest of the text keeps different texts apart.
    """
    plain = unicodedata.normalize("NFKC", clean(text, length * 4)).lower()
    short = re.sub(r"-{2,}", "-", re.sub(r"[^\w-]+", "-", plain)).strip("-_")
    lost = len(text) > length * 4 or any(unicodedata.category(c).startswith("M") and c not in short for c in plain)
    if short and not lost and len(short) <= length:
        return short
    return "-".join(filter(None, (short[: length - 9].strip("-_"), _digest(text))))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]
