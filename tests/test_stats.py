"""The arithmetic of figures: a table of what `docker stats` would say, and what must hold for any counters."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.stats import Figures, Reading, figures

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
BEFORE = Reading(
    "c1", NOW - 10 * SECOND, cpu_total_ns=5 * SECOND, system_total_ns=1000 * SECOND, online_cpus=2,
    memory_usage=100, memory_inactive_file=40, memory_limit=400, memory_cache=50,
    network_rx=1000, network_tx=0, block_read=10, block_write=20, pids=3,
)  # fmt: skip
AFTER = dataclasses.replace(
    BEFORE, read_ns=NOW, cpu_total_ns=10 * SECOND, system_total_ns=1020 * SECOND, network_rx=6000, block_write=120
)


def after(**changes: object) -> Reading:
    return dataclasses.replace(AFTER, **changes)


def before(**changes: object) -> Reading:
    return dataclasses.replace(BEFORE, **changes)


def cpu(was: Reading | None, now: Reading, limit: float | None = None, cpus: int | None = None) -> float | None:
    return figures(was, now, limit, cpus).cpu_percent


def test_half_of_one_core_is_fifty_percent_and_a_quarter_of_two() -> None:
    shown = figures(BEFORE, AFTER, None, 2)
    assert (shown.cpu_percent, shown.cpu_share_percent) == (50.0, 25.0)


def test_the_share_is_of_the_containers_own_limit() -> None:
    assert figures(BEFORE, AFTER, 0.5, 2).cpu_share_percent == 100.0
    assert figures(BEFORE, AFTER, 1.0, 2).cpu_share_percent == 50.0


def test_a_limit_above_what_the_host_has_is_no_limit() -> None:
    assert figures(BEFORE, AFTER, 64.0, 2).cpu_share_percent == 25.0


def test_a_burst_above_the_limit_still_fills_the_bar_only_once() -> None:
    assert figures(BEFORE, AFTER, 0.25, 2).cpu_share_percent == 100.0


def test_memory_is_without_the_cache_that_can_be_taken_back() -> None:
    shown = figures(None, AFTER, None, 2)
    assert (shown.memory_used_bytes, shown.memory_percent, shown.memory_cache_bytes) == (60, 15.0, 50)


def test_memory_is_not_reduced_by_more_than_there_is() -> None:
    assert figures(None, after(memory_inactive_file=100), None, 2).memory_used_bytes == 100


def test_a_memory_limit_of_zero_is_zero_percent_and_an_unknown_one_is_unknown() -> None:
    assert figures(None, after(memory_limit=0), None, 2).memory_percent == 0.0
    assert figures(None, after(memory_limit=None), None, 2).memory_percent is None


def test_totals_pass_through_and_rates_are_per_second_of_the_engines_clock() -> None:
    shown = figures(BEFORE, AFTER, None, 2)
    assert (shown.network_rx_bytes, shown.network_rx_rate) == (6000, 500.0)
    assert (shown.block_write_bytes, shown.block_write_rate) == (120, 10.0)
    assert shown.pids == 3


def test_the_first_reading_has_totals_but_neither_load_nor_rates() -> None:
    shown = figures(None, AFTER, 2.0, 4)
    assert (shown.cpu_percent, shown.cpu_share_percent, shown.network_rx_rate) == (None, None, None)
    assert shown.network_rx_bytes == 6000
    assert shown.cpu_limit_cores == 2.0


def test_a_stopped_container_has_null_figures() -> None:
    assert figures(BEFORE, Reading("c1", 0, cpu_total_ns=0), 2.0, 4) == Figures(cpu_limit_cores=2.0)


def test_another_container_in_the_slot_is_a_new_baseline() -> None:
    shown = figures(before(container_id="old"), AFTER, None, 2)
    assert (shown.cpu_percent, shown.network_rx_rate) == (None, None)


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(after(cpu_total_ns=4 * SECOND), id="the container restarted"),
        pytest.param(after(system_total_ns=999 * SECOND), id="the system counter stepped back"),
        pytest.param(after(cpu_total_ns=None), id="no CPU counter"),
        pytest.param(after(online_cpus=None), id="nobody knows how many CPUs"),
        pytest.param(after(online_cpus=0), id="zero CPUs"),
        pytest.param(BEFORE, id="the same answer twice"),
    ],
)
def test_load_that_cannot_be_known_is_null(now: Reading) -> None:
    assert cpu(BEFORE, now) is None


def test_answers_out_of_order_are_null_and_never_negative() -> None:
    shown = figures(AFTER, BEFORE, None, 2)
    assert (shown.cpu_percent, shown.network_rx_rate, shown.block_write_rate) == (None, None, None)


def test_the_hosts_cpus_serve_when_the_answer_names_none() -> None:
    assert cpu(BEFORE, after(online_cpus=None), cpus=2) == 50.0


@pytest.mark.parametrize(("was", "is_now"), [(None, None), (None, 5), (1000 * SECOND, 1000 * SECOND)])
def test_the_engines_clock_serves_where_the_system_counter_does_not(was: int | None, is_now: int | None) -> None:
    assert cpu(before(system_total_ns=was), after(system_total_ns=is_now)) == 50.0


def test_podman_is_measured_by_the_clock_because_its_system_counter_counts_busy_time_only() -> None:
    busy = after(system_total_ns=1005 * SECOND, wall_clock=True)
    assert cpu(BEFORE, busy) == 50.0


def test_windows_shows_the_share_of_the_whole_machine() -> None:
    shown = figures(before(system_total_ns=None), after(system_total_ns=None, windows=True), 1.0, 2)
    assert (shown.cpu_percent, shown.cpu_share_percent) == (25.0, 50.0)


def test_a_clock_set_back_spoils_rates_but_not_the_load() -> None:
    shown = figures(BEFORE, after(read_ns=NOW - 3600 * SECOND), None, 2)
    assert (shown.cpu_percent, shown.network_rx_rate) == (50.0, None)


def test_an_idle_and_a_paused_container_are_zero_not_unknown() -> None:
    assert cpu(BEFORE, after(cpu_total_ns=5 * SECOND)) == 0.0


def test_noise_above_all_cores_is_cut() -> None:
    assert cpu(BEFORE, after(cpu_total_ns=26 * SECOND)) == 200.0


def test_one_step_of_the_system_counter_does_not_show_more_than_all_cores() -> None:
    """The counter moves in steps of 10 ms: a single step against a busy second would be 10,000 %."""
    assert cpu(BEFORE, after(system_total_ns=1000 * SECOND + 10_000_000)) == 200.0


def test_unknown_parts_stay_unknown() -> None:
    bare = Reading("c1", NOW, cpu_total_ns=10 * SECOND, online_cpus=2)
    shown = figures(Reading("c1", NOW - SECOND, cpu_total_ns=10 * SECOND), bare, None, None)
    assert shown == Figures(cpu_percent=0.0, cpu_share_percent=0.0)


def test_a_reading_survives_its_way_through_json() -> None:
    assert Reading(**json.loads(json.dumps(dataclasses.asdict(AFTER)))) == AFTER


counters = st.none() | st.integers(0, 2**63 - 1)
readings = st.builds(
    Reading,
    container_id=st.just("c1"),
    read_ns=st.integers(0, 2**63 - 1),
    cpu_total_ns=counters,
    system_total_ns=counters,
    online_cpus=st.none() | st.integers(0, 4096),
    memory_usage=counters,
    memory_inactive_file=counters,
    memory_cache=counters,
    memory_limit=counters,
    network_rx=counters,
    network_tx=counters,
    block_read=counters,
    block_write=counters,
    pids=counters,
    wall_clock=st.booleans(),
    windows=st.booleans(),
)


@given(st.none() | readings, readings, st.none() | st.floats(0, 4096), st.none() | st.integers(0, 4096))
def test_no_counters_whatever_give_a_figure_that_is_negative_infinite_or_above_all_cores(
    was: Reading | None, now: Reading, limit: float | None, cpus: int | None
) -> None:
    shown = figures(was, now, limit, cpus)
    known = [value for value in dataclasses.asdict(shown).values() if value is not None]
    assert all(math.isfinite(value) and value >= 0 for value in known)
    if shown.cpu_percent is not None:
        assert shown.cpu_percent <= 100 * (now.online_cpus or cpus or 0)
    if shown.cpu_share_percent is not None:
        assert shown.cpu_share_percent <= 100


@given(readings, readings)
def test_load_is_known_only_from_counters_that_went_on(was: Reading, now: Reading) -> None:
    if figures(was, now, None, 4).cpu_percent is not None:
        assert now.cpu_total_ns is not None
        assert was.cpu_total_ns is not None
        assert now.cpu_total_ns >= was.cpu_total_ns
