"""The pages as a browser without JavaScript gets them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring.models import Health, Host, Instance, Latest, State
from tests import world

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    cache.clear()


@pytest.fixture
def anna(client: Client) -> Client:
    """Return a signed-in client."""
    client.force_login(User.objects.create_superuser("anna", password="a good passphrase"))
    return client


def page(client: Client, address: str = "/") -> str:
    return client.get(address).content.decode()


def test_a_stranger_is_sent_to_the_sign_in_page(client: Client) -> None:
    answer = client.get("/")

    assert (answer.status_code, answer["Location"]) == (302, "/account/login?next=/")


@pytest.mark.parametrize("count", [3, 60])
def test_the_dashboard_asks_six_times_whatever_the_number_of_instances(anna: Client, count: int) -> None:
    world.build(count)
    anna.get("/")  # the summary is kept for ten seconds

    with CaptureQueriesContext(
        connection,
    ) as asked:
        answer = anna.get("/?view=cards")

    assert answer.content.count(b'class="card ') == count
    assert len(asked) <= 6, [query["sql"][:80] for query in asked]


@pytest.mark.parametrize("view", ["cards", "rows", "tiles"])
def test_every_view_shows_every_instance_with_its_cpu_and_memory(anna: Client, view: str) -> None:
    rows = world.build(12)
    latest = Latest.objects.select_related("instance").first()
    latest.cpu_share_percent, latest.cpu_percent, latest.memory_used_bytes = 37.5, 150.0, 100 * world.MIB
    latest.save()

    shown = page(anna, f"/?view={view}")

    assert all(f'data-instance="{row.pk}"' in shown for row in rows)
    assert "37.5 %" in shown.replace("\u00a0", " ")
    assert "100\u00a0MiB" in shown
    assert ('height="37.5%"' if view == "tiles" else 'width="37.5%"') in shown
    assert view == "tiles" or "150.00 %" in shown


@pytest.mark.parametrize("view", ["cards", "rows", "tiles"])
def test_numbers_for_programs_have_a_point_in_every_language(anna: Client, view: str) -> None:
    world.build(12)
    anna.cookies["django_language"] = "ru"

    shown = page(anna, f"/?view={view}")

    assert 'lang="ru"' in shown
    assert not re.findall(r'(?:width|height|x|valuenow|cpu|memory|age)="[\d.]*,', shown)


def test_an_unknown_figure_is_a_dash_and_never_zero(anna: Client) -> None:
    world.build(1)
    Instance.objects.update(state=State.RUNNING)
    Latest.objects.all().delete()

    shown = page(anna)

    assert '<span class="figure">—</span>' in shown
    assert "0.0 %" not in shown


def test_figures_that_nobody_renewed_are_unknown(anna: Client) -> None:
    world.build(1)
    Instance.objects.update(state=State.RUNNING)
    Latest.objects.update(sampled_at=timezone.now() - timedelta(minutes=5))

    assert '<span class="figure">—</span>' in page(anna)


def test_a_stopped_instance_says_when_it_ended_and_how(anna: Client) -> None:
    world.build(1)
    Instance.objects.update(
        state=State.EXITED, finished_at=timezone.now() - timedelta(hours=3, minutes=5), exit_code=137
    )

    shown = page(anna)

    assert "Stopped" in shown
    assert "3 h ago" in shown
    assert "exit code 137" in shown


def test_few_instances_are_cards_more_are_rows_and_many_are_tiles(anna: Client) -> None:
    world.build(61)
    assert '<table class="rows">' in page(anna)
    assert 'class="card ' in page(anna, "/?view=cards")

    Instance.objects.filter(pk__in=Instance.objects.values_list("pk")[:10]).update(state=State.REMOVED)
    assert 'class="card ' in page(anna)


def test_the_filter_narrows_and_its_counts_stay(anna: Client) -> None:
    world.build(30)
    Instance.objects.update(state=State.RUNNING, health=Health.NONE)
    sick = Instance.objects.first()
    Instance.objects.filter(pk=sick.pk).update(health=Health.UNHEALTHY)

    shown = page(anna, "/?state=unhealthy")

    assert f'data-instance="{sick.pk}"' in shown
    assert shown.count('class="card ') == 1
    assert "All 30" in shown
    assert "Unhealthy 1" in shown


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("/?q=nas", "host"),
        ("/?q=host:nas", "host"),
        ("/?host=nas", "host"),
        ("/?q=-host:vps-1", "host"),
        ("/?q=cpu:%3E101", "none"),
        ("/?q=cpu:%3E%3E", "none"),
        ("/?state=nonsense", "all"),
        ("/?view=nonsense&sort=nonsense&group=nonsense", "all"),
    ],
)
def test_a_search_finds_what_it_says(anna: Client, address: str, found: str) -> None:
    world.build(20)
    expected = {
        "all": Instance.objects.count(),
        "host": Instance.objects.filter(host__name="nas").count(),
        "none": 0,
    }

    assert page(anna, address).count('class="card ') == expected[found]


def test_a_filter_that_hides_everything_says_so_and_how_to_clear_it(anna: Client) -> None:
    world.build(20)

    shown = page(anna, "/?host=nas&q=nosuchthing")

    assert "Nothing matches <code>host:nas nosuchthing</code>." in shown
    assert "20 instances are hidden by this filter." in shown


def test_groups_add_cores_not_percentages(anna: Client) -> None:
    world.build(4)
    Instance.objects.update(state=State.RUNNING)
    for row in Instance.objects.all():
        Latest.objects.update_or_create(
            instance=row,
            defaults={"container_id": row.container_id, "sampled_at": timezone.now(), "cpu_percent": 150.0},
        )

    assert "<span data-cores>6.0</span> cores" in page(anna)


def test_what_needs_attention_is_named_with_the_page_title_counting_it(anna: Client) -> None:
    world.build(10)
    Instance.objects.update(state=State.RUNNING, health=Health.NONE)
    Latest.objects.update(cpu_share_percent=1, memory_percent=1)
    assert "Needs attention" not in page(anna)

    Instance.objects.filter(pk=Instance.objects.first().pk).update(health=Health.UNHEALTHY)
    shown = page(anna)

    assert "Needs attention" in shown
    assert "<title>(1) Dashboard" in shown


def test_without_a_host_the_page_says_how_to_connect_one(anna: Client) -> None:
    shown = page(anna)

    assert "No Docker host yet." in shown
    assert "/var/run/docker.sock:/var/run/docker.sock" in shown


def test_a_host_without_containers_gives_a_line_to_try(anna: Client) -> None:
    world.build(0, hosts=("local",))

    shown = page(anna)

    assert "No containers yet." in shown
    assert "docker run -d --name hello --label pierwatch.project=demo nginx:alpine" in shown


def test_before_the_first_sample_the_page_says_what_it_waits_for(anna: Client) -> None:
    world.build(0, hosts=("local",))
    Host.objects.update(sampled_at=None)

    assert "Collecting the first sample…" in page(anna)


def test_a_host_that_does_not_answer_is_named_with_reason_and_age(anna: Client) -> None:
    world.build(4, hosts=("vps-1",))
    gone = timezone.now() - timedelta(minutes=8, seconds=10)
    Host.objects.update(unreachable_since=gone, unreachable_reason="Nothing answers at tcp://10.0.0.1:2376.")

    shown = page(anna)

    assert "vps-1 has not answered for 8 min" in shown
    assert "Nothing answers at tcp://10.0.0.1:2376." in shown
    assert 'data-state="unknown"' in shown


HOSTILE = '"><script>alert(1)</script>{{ 7 }}'


@pytest.mark.parametrize("address", ["/?view=cards", "/?view=rows", "/?view=tiles", "/?q=%3Cscript%3Ealert(1)"])
def test_hostile_names_stay_text(anna: Client, address: str) -> None:
    world.build(2)
    Instance.objects.update(state=State.RUNNING, image=HOSTILE, name=HOSTILE)

    answer = anna.get(address)

    assert answer.status_code == 200
    assert b"<script>alert" not in answer.content


def test_the_instance_page_shows_state_figures_and_details_escaped(anna: Client) -> None:
    row = world.build(4)[0]
    Instance.objects.filter(pk=row.pk).update(
        state=State.RUNNING, error=HOSTILE, labels={HOSTILE: HOSTILE}, ports=[HOSTILE], warnings=[HOSTILE]
    )
    Latest.objects.update_or_create(
        instance=row,
        defaults={
            "container_id": row.container_id,
            "sampled_at": timezone.now(),
            "cpu_percent": 12.34,
            "cpu_share_percent": 6.17,
        },
    )

    with CaptureQueriesContext(connection) as asked:
        answer = anna.get(f"/p/{row.stage.project.slug}/{row.stage.slug}/{row.name}")
    shown = answer.content.decode()

    assert len(asked) <= 6
    assert "6.2 %" in shown
    assert "12.34 %" in shown
    assert row.image in shown
    assert "<script>alert" not in shown


def test_two_hosts_may_have_an_instance_of_one_name(anna: Client) -> None:
    row = world.build(2, hosts=("nas",))[0]
    other = Host.objects.create(name="vps-1", url="tcp://10.0.0.9:2376")
    Instance.objects.create(host=other, stage=row.stage, slot=row.slot, name=row.name, state=State.EXITED)

    assert f"{row.name}?host=vps-1" in page(anna)
    shown = page(anna, f"/p/{row.stage.project.slug}/{row.stage.slug}/{row.name}?host=vps-1")

    assert "Stopped" in shown


def test_an_unknown_instance_is_a_404_in_words(anna: Client) -> None:
    answer = anna.get("/p/shop/prod/api-9")

    assert answer.status_code == 404
    assert "There is no instance “api-9” in shop/prod." in answer.content.decode()


def test_htmx_gets_the_instances_alone(anna: Client) -> None:
    world.build(4)

    part = anna.get("/", headers={"HX-Request": "true", "HX-Target": "instances"}).content.decode()

    assert "<html" not in part
    assert part.count('class="card ') == 4
    assert 'id="health"' in page(anna, "/health")


def test_the_policy_forbids_inline_code_but_the_admin_may_use_alpine(anna: Client) -> None:
    strict = anna.get("/")["Content-Security-Policy"]
    relaxed = anna.get("/admin/")["Content-Security-Policy"]

    assert "script-src 'self'" in strict
    assert "unsafe" not in strict
    assert "'unsafe-eval'" in relaxed


def test_static_files_are_served_with_addresses_that_change_with_their_content(client: Client) -> None:
    shown = page(client, "/account/login")
    address = shown.split('rel="stylesheet" href="')[1].split('"')[0]

    answer = client.get(address)

    assert "?v=" in address
    assert answer.status_code == 200
    assert "max-age=604800" in answer["Cache-Control"]


def test_times_are_shown_in_the_time_zone_of_the_browser_or_person(anna: Client) -> None:
    row = world.build(4)[0]
    Instance.objects.filter(pk=row.pk).update(started_at="2026-11-23T12:00:00Z")
    anna.cookies["pierwatch_time_zone"] = "Asia/Tokyo"

    assert "23 Nov 2026, 21:00" in page(anna, f"/p/{row.stage.project.slug}/{row.stage.slug}/{row.name}")
