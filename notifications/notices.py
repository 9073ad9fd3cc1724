"""Turn events into notices: in a destination's language and time zone, with what helps to judge them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils import timezone, translation
from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from monitoring import wording
from monitoring.models import Deployment, Event, EventKind, Sample
from notifications.formats import Notice

SAMPLE_AGE = 300  # seconds; an older sample says nothing about the moment of an event
WITH_FIGURES = (
    "container.crashed",
    "container.oom_killed",
    "container.crash_loop",
    "container.unhealthy",
    "usage.high",
)
WITH_DEPLOY = (*WITH_FIGURES, "proxy.unhealthy", "container.recovered")


def notice_of(event: Event, language: str = "", time_zone: str = "", *, test: bool = False) -> Notice:
    """Return EVENT as a destination hears it. Empty LANGUAGE or TIME_ZONE: the installation's own.

    Reads at most two rows more than the event's own links: the last deploy and the figures of that moment.
    """
    language = language or settings.LANGUAGE_CODE
    zone = ZoneInfo(time_zone or settings.TIME_ZONE)
    with translation.override(language), timezone.override(zone):
        return Notice(
            id=f"evt_{event.pk or 0}",
            kind=event.kind,
            label=label_of(event.kind),
            severity=event.severity,
            at=localtime(event.at),
            last_at=localtime(event.last_at),
            count=event.count,
            title=wording.title(event),
            message=wording.message(event),
            host=event.host.name if event.host else "",
            project=event.stage.project.slug if event.stage else "",
            stage=event.stage.slug if event.stage else "",
            subject=event.subject,
            url=url_of(event),
            details=event.parameters if isinstance(event.parameters, dict) else {},
            test=test,
            language=language,
            facts=tuple(facts_of(event)),
        )


def label_of(kind: str) -> str:
    return str(EventKind(kind).label) if kind in EventKind.values else kind


def url_of(event: Event) -> str:
    """Return the public address of EVENT's page; the event log's for one that is not stored."""
    return f"{settings.PUBLIC_URL}/events/{event.pk}" if event.pk else f"{settings.PUBLIC_URL}/events/"


def facts_of(event: Event) -> list[tuple[str, str]]:
    """Return what else helps to judge EVENT, as (name, value) in the active language and time zone."""
    facts = []
    if event.kind in WITH_FIGURES and event.instance_id and (sample := sample_at(event.instance_id, event.at)):
        facts += figures_of(sample)
    if event.kind in WITH_DEPLOY and event.stage_id and (deployment := deployment_before(event.stage_id, event.at)):
        facts.append((_("Last deploy"), deploy_in_words(deployment)))
    return facts


def sample_at(instance_id: int, at: datetime) -> Sample | None:
    """Return the newest sample of an instance that is not younger than AT nor much older."""
    second = int(at.timestamp())
    keys = Sample.key_of(instance_id, second - SAMPLE_AGE), Sample.key_of(instance_id, second)
    return Sample.objects.filter(key__range=keys).order_by("-key").first()


def figures_of(sample: Sample) -> list[tuple[str, str]]:
    facts = []
    if sample.cpu is not None:
        facts.append((_("CPU"), f"{number_format(sample.cpu / 100, 1)} %"))
    if sample.memory is not None:
        facts.append((_("Memory"), filesizeformat(sample.memory).replace("\xa0", " ")))
    return facts


def deployment_before(stage_id: int, at: datetime) -> Deployment | None:
    return Deployment.objects.filter(stage_id=stage_id, started_at__lte=at).order_by("-started_at", "-id").first()


def deploy_in_words(deployment: Deployment) -> str:
    when = date_format(localtime(deployment.started_at), "DATETIME_FORMAT")
    return ", ".join(filter(None, (deployment.version, when, str(deployment.get_status_display()))))
