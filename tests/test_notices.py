"""An event becomes a notice in its destination's language and time zone, with what helps to judge it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import override_settings
from model_bakery import baker

from monitoring.models import Deployment, Event, EventKind, Host, Instance, Project, Sample, Stage
from notifications.examples import example_event
from notifications.notices import notice_of

AT = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)


@pytest.fixture
def instance(db) -> Instance:
    stage = Stage.objects.create(project=Project.objects.create(slug="shop", name="Shop"), slug="production")
    host = Host.objects.create(name="nas", url="unix:///var/run/docker.sock")
    return baker.make(Instance, host=host, stage=stage, slot="web-1", name="web-1")


def crash(instance: Instance, **changes: object) -> Event:
    links = {"host": instance.host, "stage": instance.stage, "instance": instance}
    return Event.objects.record(
        EventKind.CONTAINER_CRASHED, subject="web-1", at=AT, parameters={"exit_code": 139}, **(links | changes)
    )


def test_a_notice_speaks_the_language_and_lives_in_the_time_zone_of_its_destination(instance):
    notice = notice_of(crash(instance), "ru", "Asia/Tokyo")
    assert notice.language == "ru"
    assert (notice.at.day, notice.at.hour, notice.at.tzname()) == (2, 7, "JST")
    assert notice.at == AT


def test_a_notice_says_why_the_container_ended(instance):
    notice = notice_of(crash(instance), "en", "UTC")
    assert notice.title == "Container crashed: web-1"
    assert "segmentation fault" in notice.message
    assert notice.details == {"exit_code": 139}


@override_settings(PUBLIC_URL="https://watch.example.org/pier")
def test_a_notice_links_to_its_event_at_the_public_address(instance):
    event = crash(instance)
    assert notice_of(event).url == f"https://watch.example.org/pier/events/{event.pk}"
    assert notice_of(event).id == f"evt_{event.pk}"


def test_a_notice_carries_the_figures_of_that_moment_not_of_now(instance):
    for seconds, cpu in ((-20, 9_950), (-3_600, 100), (10, 300)):
        key = Sample.key_of(instance.pk, int(AT.timestamp()) + seconds)
        Sample.objects.create(key=key, cpu=cpu, memory=512 * 1024**2)
    assert ("CPU", "99.5 %") in notice_of(crash(instance), "en").facts
    assert ("Memory", "512.0 MB") in notice_of(crash(instance), "en").facts


def test_figures_that_are_too_old_are_left_out(instance):
    Sample.objects.create(key=Sample.key_of(instance.pk, int(AT.timestamp()) - 3_600), cpu=100, memory=1)
    assert notice_of(crash(instance), "en").facts == ()


def test_a_notice_names_the_deploy_before_it(instance):
    for version, hours in (("1.4.0", -1), ("1.3.9", -30), ("1.5.0", 1)):
        baker.make(Deployment, stage=instance.stage, version=version, started_at=AT + timedelta(hours=hours))
    [(name, deploy)] = notice_of(crash(instance), "en", "UTC").facts
    assert name == "Last deploy"
    assert deploy.startswith("1.4.0, July 1, 2026, 9:30 p.m.")


def test_an_event_whose_container_and_host_are_gone_still_makes_a_notice(db):
    event = Event.objects.record(EventKind.CONTAINER_CRASHED, subject="web-1", at=AT)
    notice = notice_of(event)
    assert (notice.host, notice.project, notice.stage, notice.facts) == ("", "", "", ())


def test_a_notice_costs_two_queries_at_most(instance, django_assert_num_queries):
    event = Event.objects.select_related("host", "stage__project").get(pk=crash(instance).pk)
    with django_assert_num_queries(2):
        notice_of(event)


@pytest.mark.parametrize("kind", EventKind.values)
def test_every_kind_has_an_example_that_needs_no_database(kind):
    notice = notice_of(example_event(kind), "en", "UTC", test=True)
    assert notice.kind == kind
    assert notice.test
    assert notice.message
