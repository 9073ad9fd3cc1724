"""What an event says, in the active language: one function per kind, from its parameters alone.

Parameters by kind. All are optional, for old rows and hostile values must still read well; texts are one line.

kind                        parameters
container.stale             reason (stopped, outdated, leftover, orphan), days, image
container.crashed           exit_code, exit_class (crash, oom), error
container.oom_killed        exit_code, memory_limit_bytes
container.crash_loop        exit_code, exit_class; how many deaths is event.count
container.unhealthy         checks (failed ones in a row)
container.recovered         seconds (how long the incident lasted), deaths
proxy.unhealthy             cause (dns, connect, timeout, tls_name, tls_expired, http_5xx, bad_gateway, status),
                            fault (app, proxy, route, tls, dns), status, checks (bad ones in a row), instance
proxy.recovered             seconds, latency_ms
proxy.certificate_expiring  days, expires_at (ISO 8601)
deploy.started              version, from, to, changes (number of slots), source (detected, reported), instances [name]
deploy.succeeded            version, from, to, changes, seconds, source, instances
deploy.failed               version, from, to, changes, source, instances, cause (causes.py), its proof: instance,
                            exit_code, exit_class, error, address, message; more [the same, for causes that came later]
deploy.rolled_back          version, from, to, changes, source, instances, cause
usage.high                  metric (cpu, memory), value, threshold (percent), minutes
usage.recovered             metric, value, threshold, seconds
host.unreachable            reason (connect, timeout, tls, permission, mass_death, ...), message, deaths, containers
host.recovered              seconds
destination.disabled        reason (a sentence)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from django.template.defaultfilters import filesizeformat
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.timezone import is_aware, localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from monitoring.causes import (
    days_in_words,
    deployment_cause_in_words,
    duration_in_words,
    exit_code_in_words,
    fault_in_words,
    proxy_cause_in_words,
    short,
    stale_reason_in_words,
    usage_metric_in_words,
    whole,
)
from monitoring.models.event import EventKind

if TYPE_CHECKING:
    from monitoring.models import Event

Parameters = Mapping[str, Any]


def title(event: Event) -> str:
    """Return the event in one line, such as "Crash loop: web-1"."""
    return _("%(kind)s: %(subject)s") % {"kind": _label(event.kind), "subject": short(event.subject)}


def message(event: Event) -> str:
    """Return what happened, why and since when, as plain text: escape it where markup is understood."""
    parameters = event.parameters if isinstance(event.parameters, dict) else {}
    write = _MESSAGES.get(event.kind)
    return write(parameters, event.count) if write else ""


def _label(kind: str) -> str:
    return str(EventKind(kind).label) if kind in EventKind.values else kind


def _stale(parameters: Parameters, _count: int) -> str:
    reason = _("This container is stale: %(reason)s.") % {"reason": stale_reason_in_words(parameters.get("reason"))}
    since = _("For %(duration)s.") % {"duration": days_in_words(parameters["days"])} if parameters.get("days") else ""
    image = _("Image: %(image)s.") % {"image": short(parameters["image"])} if parameters.get("image") else ""
    return _joined(reason, since, image)


def _crashed(parameters: Parameters, _count: int) -> str:
    code = exit_code_in_words(parameters.get("exit_code"), parameters.get("exit_class"))
    return _joined(_("It stopped with %(code)s.") % {"code": code}, short(parameters.get("error")))


def _oom_killed(parameters: Parameters, count: int) -> str:
    limit = whole(parameters.get("memory_limit_bytes"))
    killed = (
        _("The kernel killed it: it needed more memory than its limit of %(limit)s.")
        % {"limit": filesizeformat(limit).replace("\xa0", " ")}
        if limit > 0
        else _("The kernel killed it: it needed more memory than there was.")
    )
    return _joined(killed, _times(count) if count > 1 else "")


def _crash_loop(parameters: Parameters, count: int) -> str:
    code = exit_code_in_words(parameters.get("exit_code"), parameters.get("exit_class"))
    return _joined(_times(count), _("The last time it stopped with %(code)s.") % {"code": code})


def _times(count: int) -> str:
    return ngettext("It died %(count)s time.", "It died %(count)s times.", count) % {"count": count}


def _unhealthy(parameters: Parameters, _count: int) -> str:
    checks = whole(parameters.get("checks"))
    failed = ngettext("%(count)s check failed.", "%(count)s checks in a row failed.", checks) % {"count": checks}
    return _joined(_("Its health check fails."), failed if checks > 0 else "")


def _recovered(parameters: Parameters, _count: int) -> str:
    deaths = whole(parameters.get("deaths"))
    return _joined(_("It works again."), _lasted(parameters), _times(deaths) if deaths > 1 else "")


def _proxy_unhealthy(parameters: Parameters, _count: int) -> str:
    checks = whole(parameters.get("checks"))
    failed = ngettext("%(count)s check failed.", "%(count)s checks in a row failed.", checks) % {"count": checks}
    instance = short(parameters.get("instance"))
    return _joined(
        _sentence(proxy_cause_in_words(parameters)),
        fault_in_words(parameters.get("fault")),
        failed if checks > 0 else "",
        _("It leads to %(instance)s.") % {"instance": instance} if instance else "",
    )


def _proxy_recovered(parameters: Parameters, _count: int) -> str:
    latency = whole(parameters.get("latency_ms"), -1)
    answered = _("It answered in %(latency)s ms.") % {"latency": latency} if latency >= 0 else ""
    return _joined(_("The route works again."), _lasted(parameters), answered)


def _certificate_expiring(parameters: Parameters, _count: int) -> str:
    days = whole(parameters.get("days"), -1)
    left = (
        _("The certificate expires in %(duration)s.") % {"duration": days_in_words(days)}
        if days >= 0
        else _("The certificate expires soon.")
    )
    at = _moment(parameters.get("expires_at"))
    return _joined(left, _("It is valid until %(time)s.") % {"time": at.rstrip(".")} if at else "")


def _deploy_started(parameters: Parameters, _count: int) -> str:
    return _joined(_changes(parameters), _versions(parameters), short(parameters.get("message")))


def _deploy_succeeded(parameters: Parameters, _count: int) -> str:
    seconds = parameters.get("seconds")
    took = _("Verified after %(duration)s.") % {"duration": duration_in_words(seconds)} if seconds is not None else ""
    return _joined(_changes(parameters), _versions(parameters), took)


def _deploy_failed(parameters: Parameters, _count: int) -> str:
    return _joined(_sentence(deployment_cause_in_words(parameters)), _versions(parameters), _more(parameters))


def _more(parameters: Parameters) -> str:
    later = parameters.get("more")
    found = [cause for cause in later if isinstance(cause, dict)] if isinstance(later, list) else []
    causes = [deployment_cause_in_words(cause) for cause in found[:5]]
    return _("Also: %(causes)s.") % {"causes": "; ".join(causes)} if causes else ""


def _deploy_rolled_back(parameters: Parameters, _count: int) -> str:
    return _joined(_versions(parameters), _sentence(deployment_cause_in_words(parameters)))


def _changes(parameters: Parameters) -> str:
    count = whole(parameters.get("changes"))
    changed = ngettext("%(count)s container changed.", "%(count)s containers changed.", count) % {"count": count}
    return changed if count > 0 else ""


def _versions(parameters: Parameters) -> str:
    before, after = short(parameters.get("from")), short(parameters.get("to") or parameters.get("version"))
    if before and after and before != after:
        return _("From %(before)s to %(after)s.") % {"before": before, "after": after}
    return _("Version %(version)s.") % {"version": after} if after else ""


def _usage_high(parameters: Parameters, _count: int) -> str:
    return _("%(metric)s has been above %(threshold)s %% for %(duration)s; it is at %(value)s %% now.") % _usage(
        parameters, duration_in_words(whole(parameters.get("minutes")) * 60)
    )


def _usage_recovered(parameters: Parameters, _count: int) -> str:
    fell = _("%(metric)s is back at %(value)s %%.") % _usage(parameters)
    return _joined(fell, _lasted(parameters))


def _usage(parameters: Parameters, duration: str = "") -> dict[str, str]:
    return {
        "metric": usage_metric_in_words(parameters.get("metric")),
        "value": short(parameters.get("value")) or "?",
        "threshold": short(parameters.get("threshold")) or "?",
        "duration": duration,
    }


def _host_unreachable(parameters: Parameters, _count: int) -> str:
    deaths, containers = whole(parameters.get("deaths")), whole(parameters.get("containers"))
    died = _("%(deaths)s of %(containers)s containers died at once.") % {"deaths": deaths, "containers": containers}
    reason = short(parameters.get("message")) or short(parameters.get("reason"))
    return died if deaths > 0 else _joined(_("The engine does not answer."), reason)


def _host_recovered(parameters: Parameters, _count: int) -> str:
    return _joined(_("The host is well again."), _lasted(parameters))


def _destination_disabled(parameters: Parameters, _count: int) -> str:
    return _joined(_("It gets no notifications any more."), short(parameters.get("reason")))


def _lasted(parameters: Parameters) -> str:
    seconds = parameters.get("seconds")
    return _("It lasted %(duration)s.") % {"duration": duration_in_words(seconds)} if seconds is not None else ""


def _moment(value: Any) -> str:
    try:
        at = parse_datetime(str(value))
    except ValueError:
        return ""
    return date_format(localtime(at) if is_aware(at) else at, "DATETIME_FORMAT") if at else ""


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _joined(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


_MESSAGES: dict[str, Callable[[Parameters, int], str]] = {
    EventKind.CONTAINER_STALE: _stale,
    EventKind.CONTAINER_CRASHED: _crashed,
    EventKind.CONTAINER_OOM_KILLED: _oom_killed,
    EventKind.CONTAINER_CRASH_LOOP: _crash_loop,
    EventKind.CONTAINER_UNHEALTHY: _unhealthy,
    EventKind.CONTAINER_RECOVERED: _recovered,
    EventKind.PROXY_UNHEALTHY: _proxy_unhealthy,
    EventKind.PROXY_RECOVERED: _proxy_recovered,
    EventKind.PROXY_CERTIFICATE_EXPIRING: _certificate_expiring,
    EventKind.DEPLOY_STARTED: _deploy_started,
    EventKind.DEPLOY_SUCCEEDED: _deploy_succeeded,
    EventKind.DEPLOY_FAILED: _deploy_failed,
    EventKind.DEPLOY_ROLLED_BACK: _deploy_rolled_back,
    EventKind.USAGE_HIGH: _usage_high,
    EventKind.USAGE_RECOVERED: _usage_recovered,
    EventKind.HOST_UNREACHABLE: _host_unreachable,
    EventKind.HOST_RECOVERED: _host_recovered,
    EventKind.DESTINATION_DISABLED: _destination_disabled,
}
