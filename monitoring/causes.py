"""Why something ended or failed, in words of the active language: exit codes, proxy checks, deployments, stale reasons.

Every function takes what a stored event carries, which may be old, odd or missing, and always answers with a text.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

OUT_OF_MEMORY = "oom"
_SIGNAL_BASE = 128  # a shell's and Docker's exit code of a process that signal n ended is 128 + n

_SIGNALS = {
    signal.SIGHUP: gettext_lazy("hung up"),
    signal.SIGINT: gettext_lazy("interrupted"),
    signal.SIGQUIT: gettext_lazy("quit"),
    signal.SIGILL: gettext_lazy("illegal instruction"),
    signal.SIGABRT: gettext_lazy("aborted"),
    signal.SIGBUS: gettext_lazy("bus error"),
    signal.SIGFPE: gettext_lazy("arithmetic error"),
    signal.SIGKILL: gettext_lazy("killed from outside"),
    signal.SIGSEGV: gettext_lazy("segmentation fault"),
    signal.SIGPIPE: gettext_lazy("broken pipe"),
    signal.SIGTERM: gettext_lazy("terminated"),
}
# 125 to 127: docs.docker.com, "docker run", exit status
_EXIT_CODES = {
    0: gettext_lazy("ended normally"),
    1: gettext_lazy("the program reported an error"),
    2: gettext_lazy("the program was called wrongly"),
    125: gettext_lazy("Docker could not run the container"),
    126: gettext_lazy("the command cannot be executed"),
    127: gettext_lazy("the command was not found"),
    128: gettext_lazy("the container could not start"),
    255: gettext_lazy("the program reported an error"),
}

_PROXY_CAUSES = {
    "dns": gettext_lazy("the name cannot be resolved"),
    "connect": gettext_lazy("the connection was refused or broken"),
    "timeout": gettext_lazy("no answer in time"),
    "tls_name": gettext_lazy("the certificate is not valid for this name"),
    "tls_expired": gettext_lazy("the certificate has expired"),
    "bad_gateway": gettext_lazy("the proxy cannot reach the container"),
    "http_5xx": gettext_lazy("the answer was a server error"),
    "status": gettext_lazy("the answer has an unexpected status"),
    "tls": gettext_lazy("the secure connection cannot be trusted"),
    "address": gettext_lazy("the address cannot be used"),
}
_FAULTS = {
    "app": gettext_lazy("The container itself does not answer properly."),
    "proxy": gettext_lazy("The container answers, the proxy in front of it does not."),
    "route": gettext_lazy("The container answers, but the proxy does not lead to it."),
    "tls": gettext_lazy("The certificate is at fault."),
    "dns": gettext_lazy("The name lookup is at fault."),
}
_STALE = {
    "stopped": gettext_lazy("it has been stopped for a long time"),
    "outdated": gettext_lazy("a newer image was pulled, but the container still runs the old one"),
    "leftover": gettext_lazy("it is left over from an interrupted update"),
    "orphan": gettext_lazy("its service is no longer part of the project"),
}
_DEPLOYMENTS = {
    "never_started": gettext_lazy("a container did not start"),
    "crash": gettext_lazy("a new container crashed"),
    "oom": gettext_lazy("a new container ran out of memory"),
    "crash_loop": gettext_lazy("a new container keeps crashing"),
    "unhealthy": gettext_lazy("a new container is unhealthy"),
    "not_replaced": gettext_lazy("the old container was removed and none took its place"),
    "route": gettext_lazy("a route that worked before fails now"),
    "swarm_paused": gettext_lazy("Swarm paused the update"),
    "swarm_rejected": gettext_lazy("Swarm rejected the update"),
    "swarm_rollback": gettext_lazy("Swarm rolled the update back"),
    "reported": gettext_lazy("reported by the deploying tool"),
    "still_starting": gettext_lazy("the health check had not decided when time was up"),
    "unobserved": gettext_lazy("the host could not be observed"),
    "stopped": gettext_lazy("a new container was stopped while it was being verified"),
    "silent": gettext_lazy("nothing more was heard of it"),
    "former_image": gettext_lazy("the former image runs again"),
    "former_configuration": gettext_lazy("the former configuration runs again"),
    "lower_version": gettext_lazy("the version went down"),
}
_USAGE = {"cpu": gettext_lazy("CPU"), "memory": gettext_lazy("Memory")}


def whole(value: Any, default: int = 0) -> int:
    """Return VALUE as an integer, whatever it is; DEFAULT for what is none."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return default


def exit_code_in_words(code: Any, exit_class: Any = "") -> str:
    """Return for example "139: segmentation fault"; 137 is an OOM kill only when EXIT_CLASS says so."""
    number = whole(code, -1)
    if exit_class == OUT_OF_MEMORY:
        reason: Any = _("out of memory")
    elif number in _EXIT_CODES:
        reason = _EXIT_CODES[number]
    else:
        reason = _signal_in_words(number - _SIGNAL_BASE)
    if number < 0:
        return str(reason or _("exit code unknown"))
    return _("%(code)s: %(reason)s") % {"code": number, "reason": reason} if reason else str(number)


def _signal_in_words(number: int) -> Any:
    try:
        known = signal.Signals(number)
    except ValueError:
        return ""
    return _SIGNALS.get(known) or _("ended by signal %(signal)s") % {"signal": known.name}


def proxy_cause_in_words(parameters: Mapping[str, Any]) -> str:
    """Return for example "502: the proxy cannot reach the container" from cause and status."""
    reason = known(_PROXY_CAUSES, parameters.get("cause"))
    status = whole(parameters.get("status"))
    return _("%(code)s: %(reason)s") % {"code": status, "reason": reason} if status else reason


def fault_in_words(fault: Any) -> str:
    """Return the sentence that says who is at fault; empty when nobody knows."""
    return str(_FAULTS.get(str(fault), ""))


def stale_reason_in_words(reason: Any) -> str:
    return known(_STALE, reason)


def deployment_cause_in_words(parameters: Mapping[str, Any]) -> str:
    """Return for example "a new container crashed (web-1, 139: segmentation fault)" from cause and its details."""
    cause = known(_DEPLOYMENTS, parameters.get("cause"))
    details = [short(parameters["instance"])] if parameters.get("instance") else []
    if parameters.get("exit_code") is not None:
        details.append(exit_code_in_words(parameters["exit_code"], parameters.get("exit_class")))
    details += [short(parameters[name]) for name in ("error", "address", "message") if parameters.get(name)]
    return f"{cause} ({', '.join(details)})" if details else cause


def usage_metric_in_words(metric: Any) -> str:
    return known(_USAGE, metric)


def known(words: Mapping[str, Any], key: Any) -> str:
    """Return the text for KEY, KEY itself when it is new to us, and a dash-free "unknown" when there is none."""
    return str(words.get(str(key)) or short(key) or _("unknown reason"))


def short(value: Any, limit: int = 300) -> str:
    """Return VALUE as one line of at most LIMIT characters, without control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str("" if value is None else value)[:5000]).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def duration_in_words(seconds: Any) -> str:
    """Return for example "41 seconds", "8 minutes" or "3 hours", rounded down to one unit that reads well."""
    amount = max(0, whole(seconds))
    if amount < 120:
        return ngettext("%(count)s second", "%(count)s seconds", amount) % {"count": amount}
    if amount < 2 * 3600:
        return ngettext("%(count)s minute", "%(count)s minutes", amount // 60) % {"count": amount // 60}
    if amount < 2 * 86400:
        return ngettext("%(count)s hour", "%(count)s hours", amount // 3600) % {"count": amount // 3600}
    return days_in_words(amount // 86400)


def days_in_words(days: Any) -> str:
    amount = whole(days)
    return ngettext("%(count)s day", "%(count)s days", amount) % {"count": amount}
