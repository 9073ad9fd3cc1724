"""Each kind reads well from full, missing and hostile parameters, in the reader's language."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation

from monitoring.causes import duration_in_words, exit_code_in_words
from monitoring.models import Event, EventKind
from monitoring.wording import message, title


def event(kind: EventKind, count: int = 1, **parameters: Any) -> Event:
    return Event(kind=kind, subject="web-1", count=count, parameters=parameters)


VERSIONS = {"from": "a:1", "to": "a:2"}


@pytest.mark.parametrize(
    ("code", "exit_class", "words"),
    [
        (0, "", "0: ended normally"),
        (125, "", "125: Docker could not run the container"),
        (126, "crash", "126: the command cannot be executed"),
        (127, "crash", "127: the command was not found"),
        (134, "crash", "134: aborted"),
        (137, "crash", "137: killed from outside"),
        (137, "oom", "137: out of memory"),
        (138, "crash", "138: ended by signal SIGUSR1"),
        (139, "crash", "139: segmentation fault"),
        (143, "crash", "143: terminated"),
        (3, "crash", "3"),
        (3221225477, "crash", "3221225477"),
        ("139", "", "139: segmentation fault"),
        ("abc", "", "exit code unknown"),
        (None, "oom", "out of memory"),
    ],
)
def test_an_exit_code_is_explained_in_words(code: Any, exit_class: str, words: str) -> None:
    assert exit_code_in_words(code, exit_class) == words


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (event(EventKind.CONTAINER_CRASHED, exit_code=139), "It stopped with 139: segmentation fault."),
        (
            event(EventKind.CONTAINER_CRASH_LOOP, 40, exit_code=3),
            "It died 40 times. The last time it stopped with 3.",
        ),
        (
            event(EventKind.CONTAINER_OOM_KILLED, memory_limit_bytes=64 << 20),
            "The kernel killed it: it needed more memory than its limit of 64.0 MB.",
        ),
        (event(EventKind.CONTAINER_UNHEALTHY, checks=3), "Its health check fails. 3 checks in a row failed."),
        (
            event(EventKind.CONTAINER_STALE, reason="stopped", days=9, image="app:1"),
            "This container is stale: it has been stopped for a long time. For 9 days. Image: app:1.",
        ),
        (
            event(EventKind.PROXY_UNHEALTHY, cause="bad_gateway", fault="app", status=502),
            "502: the proxy cannot reach the container. The container itself does not answer properly.",
        ),
        (
            event(EventKind.PROXY_CERTIFICATE_EXPIRING, days=7, expires_at="2026-12-01T10:00:00+00:00"),
            "The certificate expires in 7 days. It is valid until Dec. 1, 2026, 10 a.m.",
        ),
        (
            event(EventKind.DEPLOY_FAILED, cause="crash", instance="web-1", exit_code=1, **VERSIONS),
            "A new container crashed (web-1, 1: the program reported an error). From a:1 to a:2.",
        ),
        (event(EventKind.DEPLOY_SUCCEEDED, changes=1, to="a:2", seconds=90),
         "1 container changed. Version a:2. Verified after 90 seconds."),
        (event(EventKind.DEPLOY_ROLLED_BACK, cause="former_image", **{"from": "a:2", "to": "a:1"}),
         "From a:2 to a:1. The former image runs again."),
        (event(EventKind.USAGE_HIGH, metric="cpu", value=97.5, threshold=80, minutes=5),
         "CPU has been above 80 % for 5 minutes; it is at 97.5 % now."),
        (event(EventKind.HOST_UNREACHABLE, reason="connect", message="connection refused"),
         "The engine does not answer. connection refused"),
        (event(EventKind.HOST_UNREACHABLE, reason="mass_death", deaths=12, containers=30),
         "12 of 30 containers died at once."),
        (event(EventKind.HOST_RECOVERED, seconds=480), "The host is well again. It lasted 8 minutes."),
    ],
)  # fmt: skip
def test_a_message_says_what_happened_and_why(told: Event, words: str) -> None:
    assert message(told) == words


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_kind_has_words_even_without_parameters(kind: EventKind) -> None:
    bare = event(kind)

    assert title(bare) == f"{kind.label}: web-1"
    assert message(bare) or kind in (EventKind.DEPLOY_STARTED, EventKind.DEPLOY_SUCCEEDED)


HOSTILE: list[Any] = ["abc", None, [], {}, -1, 1e400, "<b>\x00\n" * 5000, "%(x)s %s", True, ["a"]]
NAMES = [
    "reason",
    "days",
    "image",
    "exit_code",
    "exit_class",
    "error",
    "memory_limit_bytes",
    "checks",
    "seconds",
    "deaths",
    "cause",
    "fault",
    "status",
    "instance",
    "latency_ms",
    "expires_at",
    "version",
    "from",
    "to",
    "changes",
    "source",
    "more",
    "metric",
    "value",
    "threshold",
    "minutes",
    "message",
    "containers",
]


@pytest.mark.parametrize("kind", list(EventKind))
@pytest.mark.parametrize("value", HOSTILE, ids=[str(number) for number in range(len(HOSTILE))])
def test_hostile_parameters_never_break_a_message(kind: EventKind, value: Any) -> None:
    hostile = Event(kind=kind, subject="x\n\x00" * 300, parameters=dict.fromkeys(NAMES, value))

    assert "\x00" not in title(hostile) + message(hostile)
    assert "\n" not in title(hostile) + message(hostile)
    assert len(title(hostile)) + len(message(hostile)) < 3000


def test_parameters_that_are_no_mapping_and_kinds_of_another_version_still_have_a_title() -> None:
    odd = Event(kind="container.teleported", subject="web-1", parameters=["what"])

    assert title(odd) == "container.teleported: web-1"
    assert message(odd) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (90, "90 seconds"),
        (480, "8 minutes"),
        (7300, "2 hours"),
        (200000, "2 days"),
        ("x", "0 seconds"),
    ],
)
def test_a_duration_is_told_in_one_unit(seconds: Any, words: str) -> None:
    assert duration_in_words(seconds) == words


def test_the_words_follow_the_active_language() -> None:
    with translation.override("en"):
        english = title(event(EventKind.CONTAINER_CRASHED))

    assert english == "Container crashed: web-1"
