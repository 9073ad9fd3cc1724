"""A sweep: each running container read once, figures against the last counters, stored and announced."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from monitoring import sampler
from monitoring.engine import EngineError
from monitoring.models import Event, Host, Instance, Latest, Preferences, Sample, State
from monitoring.sampler import Sweep
from monitoring.signals import samples_taken
from monitoring.stats import Figures
from tests.engines import RealEngine
from tests.simulated_engine import GARBAGE, GONE, HANG, HTML, LIST, NULL, RESET, TRUNCATED, SimulatedEngine

pytestmark = pytest.mark.django_db
MIB = 2**20


@pytest.fixture
def host(simulated_engine: SimulatedEngine) -> Host:
    return Host.objects.create(name="local", url=simulated_engine.url)


@pytest.fixture
def sampled(host: Host, django_capture_on_commit_callbacks: Any) -> Callable[..., Sweep]:
    """Return a function that sweeps the host once, announcements included."""

    def run(pause: float = 0.05) -> Sweep:
        with django_capture_on_commit_callbacks(execute=True):
            sweep = sampler.sample(host.pk, pause)
        assert sweep is not None
        return sweep

    return run


@contextmanager
def heard() -> Iterator[list[list[Latest]]]:
    """Collect what `samples_taken` says."""
    said: list[list[Latest]] = []

    def hear(latest: list[Latest], **_: Any) -> None:
        said.append(latest)

    samples_taken.connect(hear)
    try:
        yield said
    finally:
        samples_taken.disconnect(hear)


def latest_of(name: str) -> Latest:
    return Latest.objects.get(instance__name=name)


def test_the_first_cpu_figure_comes_with_the_first_sweep(
    simulated_engine: SimulatedEngine, sampled: Callable[..., Sweep]
) -> None:
    simulated_engine.add("busy", cpu_cores=0.5, memory=32 * MIB, cache=8 * MIB)
    started = time.monotonic()
    with heard() as said:
        sampled(sampler.SECOND_READ_AFTER)
    assert 0.9 < time.monotonic() - started < 2.5
    assert [[latest.cpu_percent is None for latest in each] for each in said] == [[True], [False]]
    latest = latest_of("busy")
    assert latest.cpu_percent == pytest.approx(50, abs=1)
    assert latest.cpu_share_percent == pytest.approx(25, abs=1)
    assert (latest.memory_used_bytes, latest.memory_cache_bytes) == (32 * MIB, 8 * MIB)
    assert Sample.objects.count() == 1


def test_later_sweeps_measure_against_the_stored_counters_with_one_read_each(
    simulated_engine: SimulatedEngine, sampled: Callable[..., Sweep]
) -> None:
    busy = simulated_engine.add("busy", cpu_cores=0.5)
    sampled()
    busy.cpu_cores = 1.0
    busy.started_ns = simulated_engine.now_ns - 10**9  # so that the counter goes on
    simulated_engine.advance(30)
    simulated_engine.requests.clear()
    with heard() as said:
        sampled()
    assert len(said) == 1
    assert sum("/stats" in path for path in simulated_engine.requests) == 1
    assert latest_of("busy").cpu_percent == pytest.approx(100, abs=5)


def test_a_restarted_container_is_measured_anew_and_never_huge_or_negative(
    simulated_engine: SimulatedEngine, sampled: Callable[..., Sweep]
) -> None:
    busy = simulated_engine.add("busy", cpu_cores=1.0)
    busy.started_ns -= 1000 * 10**9
    sampled()
    simulated_engine.advance(30)
    busy.started_ns = simulated_engine.now_ns
    with heard() as said:
        sampled()
    assert [each[0].cpu_percent is None for each in said] == [True, False]
    assert latest_of("busy").cpu_percent == pytest.approx(100, abs=5)


def test_a_new_container_in_the_slot_does_not_inherit_the_counters(
    simulated_engine: SimulatedEngine, sampled: Callable[..., Sweep]
) -> None:
    old = simulated_engine.add("web", cpu_cores=0.0)
    sampled()
    simulated_engine.remove(old)
    new = simulated_engine.add("web", number=9, cpu_cores=0.5)
    new.started_ns -= 5000 * 10**9
    sampled()
    assert latest_of("web").container_id == new.id
    assert latest_of("web").cpu_percent == pytest.approx(50, abs=2)


def test_a_stopped_container_has_null_figures_and_the_time_it_was_seen_running(
    simulated_engine: SimulatedEngine, sampled: Callable[..., Sweep]
) -> None:
    web = simulated_engine.add("web", cpu_cores=0.5)
    sampled()
    web.state, web.finished_ns = "exited", simulated_engine.now_ns
    with heard() as said:
        sampled()
    instance = Instance.objects.with_latest().get()
    assert said == [[]]
    assert (instance.state, instance.figures, instance.seen_running_at) == (State.EXITED, None, instance.finished_at)
    assert sampler.fresh(instance) == Figures()


def test_a_host_without_containers_still_says_that_it_was_looked_at(host: Host, sampled: Callable[..., Sweep]) -> None:
    with heard() as said:
        sampled()
    host.refresh_from_db()
    assert said == [[]]
    assert host.sampled_at is not None


@pytest.mark.parametrize("fault", [GONE, HTML, NULL, LIST, TRUNCATED, GARBAGE, RESET])
def test_a_container_that_answers_nonsense_leaves_the_others_fresh(
    simulated_engine: SimulatedEngine, sampled: Callable[..., Sweep], fault: Any
) -> None:
    simulated_engine.add("good", cpu_cores=0.5)
    bad = simulated_engine.add("bad", cpu_cores=0.5)
    sampled()
    before = latest_of("bad").sampled_at
    simulated_engine.advance(30)
    bad.fault = fault
    assert [latest.instance.name for latest in sampled().latest] == ["good"]
    assert latest_of("bad").sampled_at == before


def test_a_container_that_hangs_does_not_hold_up_a_sweep_beyond_its_deadline(
    simulated_engine: SimulatedEngine, sampled: Callable[..., Sweep]
) -> None:
    Preferences(sample_seconds=1).save()
    simulated_engine.add("good", cpu_cores=0.5)
    simulated_engine.add("bad").fault = HANG
    started = time.monotonic()
    swept = sampled()
    assert [latest.instance.name for latest in swept.latest] == ["good"]
    assert time.monotonic() - started < 8
    host = Host.objects.get()
    assert host.is_reachable
    assert host.sweep_until is None


def test_a_sweep_under_way_keeps_a_second_one_out_until_its_lease_ends(
    simulated_engine: SimulatedEngine, host: Host
) -> None:
    held = Host.objects.claim_sweep(host.pk, 60)
    assert held is not None
    assert sampler.sample(host.pk) is None
    assert not simulated_engine.requests
    Host.objects.filter(pk=host.pk).update(sweep_until=timezone.now() - timedelta(seconds=1))  # its process was killed
    assert sampler.sample(host.pk) is not None


def test_a_late_sweep_does_not_give_back_the_lease_of_the_next_one(host: Host) -> None:
    late = Host.objects.claim_sweep(host.pk, -1)
    assert late is not None
    held = Host.objects.claim_sweep(host.pk, 60)
    Host.objects.release_sweep(host.pk, late)
    assert Host.objects.get().sweep_until == held


def test_an_unwatched_or_unknown_host_is_not_swept(simulated_engine: SimulatedEngine, host: Host) -> None:
    Host.objects.update(enabled=False)
    assert sampler.sample(host.pk) is None
    assert sampler.sample(host.pk + 1000) is None
    assert not simulated_engine.requests


def test_an_engine_that_is_gone_is_an_outage_and_frees_the_lease(simulated_engine: SimulatedEngine, host: Host) -> None:
    simulated_engine.shut()
    with pytest.raises(EngineError):
        sampler.sample(host.pk)
    host.refresh_from_db()
    assert (host.sweep_until, host.is_reachable, host.unreachable_code) == (None, False, "no_socket")


def test_an_address_that_leads_nowhere_is_an_outage_with_its_fix() -> None:
    host = Host.objects.create(name="wrong", url="gopher://nowhere")
    with pytest.raises(EngineError):
        sampler.sample(host.pk)
    host.refresh_from_db()
    assert host.unreachable_code == "address"
    assert "unix:///var/run/docker.sock" in host.unreachable_reason


def test_counters_of_another_version_count_as_none(
    simulated_engine: SimulatedEngine, sampled: Callable[..., Sweep]
) -> None:
    simulated_engine.add("busy", cpu_cores=0.5)
    sampled()
    Latest.objects.update(counters={"no": "such field"})
    sampled()
    assert latest_of("busy").cpu_percent == pytest.approx(50, abs=2)


def test_samples_are_integers_in_hundredths_bytes_and_bytes_per_second(
    simulated_engine: SimulatedEngine, sampled: Callable[..., Sweep]
) -> None:
    simulated_engine.add("busy", cpu_cores=0.5, memory=MIB, rx_rate=1000, write_rate=2000)
    sampled()
    stored = Sample.objects.get()
    assert stored.cpu == pytest.approx(5000, abs=50)
    assert stored.cpu_share == pytest.approx(2500, abs=25)
    assert (stored.memory, stored.pids, stored.network_tx) == (MIB, 1, 0)
    assert stored.network_rx == pytest.approx(1000, abs=50)
    assert stored.block_write == pytest.approx(2000, abs=100)
    instance = Instance.objects.get()
    assert stored.instance_id == instance.pk
    assert list(Sample.objects.of(instance.pk, stored.second, stored.second + 1)) == [stored]
    assert not Sample.objects.of(instance.pk + 1, stored.second, stored.second + 1).exists()


def test_two_sweeps_within_one_second_keep_the_first_sample(
    simulated_engine: SimulatedEngine, sampled: Callable[..., Sweep], time_machine: Any
) -> None:
    simulated_engine.add("a", cpu_cores=0.5)
    sampled()
    time_machine.move_to(timezone.now() + timedelta(minutes=1), tick=False)
    simulated_engine.advance(1)
    sampled()
    simulated_engine.add("b")
    simulated_engine.advance(1)
    sampled()
    assert Sample.objects.count() == 3


def test_a_sweep_takes_the_same_queries_however_many_containers_there_are(
    simulated_engine: SimulatedEngine,
    sampled: Callable[..., Sweep],
    django_assert_num_queries: Any,
    time_machine: Any,
) -> None:
    for number in range(3):
        simulated_engine.add(f"web-{number}")
    sampled()
    time_machine.move_to(timezone.now() + timedelta(minutes=1), tick=False)
    with django_assert_num_queries(24):  # ten of them are savepoints and their ends
        assert len(sampled().latest) == 3
    for number in range(30):
        simulated_engine.add(f"api-{number}")
    time_machine.shift(30)
    sampled()
    time_machine.shift(30)
    with django_assert_num_queries(24):
        assert len(sampled().latest) == 33


def test_receivers_reach_host_project_and_stage_without_another_query(
    simulated_engine: SimulatedEngine, sampled: Callable[..., Sweep], django_assert_num_queries: Any
) -> None:
    simulated_engine.add("web", labels={"pierwatch.project": "shop", "pierwatch.stage": "prod"})
    with heard() as said:
        sampled()
    with django_assert_num_queries(0):
        instance = said[-1][0].instance
        assert (instance.host.name, instance.stage.project.slug, instance.stage.slug) == ("local", "shop", "prod")


def test_fresh_figures_are_read_now_and_not_stored(
    simulated_engine: SimulatedEngine, sampled: Callable[..., Sweep]
) -> None:
    web = simulated_engine.add("web", cpu_cores=0.1)
    sampled()
    stored = latest_of("web")
    web.memory = 99 * MIB
    figures = sampler.fresh(Instance.objects.with_latest().get(), pause=0.05)
    assert figures.memory_used_bytes == 99 * MIB
    assert figures.cpu_percent == pytest.approx(10, abs=1)
    assert latest_of("web").sampled_at == stored.sampled_at


def test_fresh_figures_of_a_container_that_vanished_are_null(
    simulated_engine: SimulatedEngine, sampled: Callable[..., Sweep]
) -> None:
    web = simulated_engine.add("web")
    sampled()
    simulated_engine.remove(web)
    assert sampler.fresh(Instance.objects.with_latest().get(), pause=0) == Figures()


def test_one_failing_receiver_keeps_nobody_else_from_hearing(
    simulated_engine: SimulatedEngine, sampled: Callable[..., Sweep]
) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("a receiver's own mistake")

    samples_taken.connect(broken)
    try:
        with heard() as said:
            sampled()
    finally:
        samples_taken.disconnect(broken)
    assert said == [[]]
    assert not Event.objects.exists()


@pytest.mark.engine
def test_a_real_busy_container_shows_its_load_in_its_first_sweep(real_engine: RealEngine) -> None:
    host = Host.objects.create(name="real", url=real_engine.url)
    container_id = real_engine.run("busy", "sh", "-c", "while :; do :; done", cpus="0.3", memory="32m")
    sweep = sampler.sample(host.pk)
    assert sweep is not None
    latest = Latest.objects.get(container_id=container_id)
    assert latest.cpu_percent == pytest.approx(30, abs=20)
    assert latest.memory_limit_bytes == 32 * MIB
    assert latest.cpu_limit_cores == pytest.approx(0.3)
