"""From recorded answers of real engines to readings, and what becomes of nonsense."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.engine.decode import Unreadable, nanoseconds, reading_of, reading_of_dict
from monitoring.stats import Reading, figures

RECORDINGS = Path(__file__).parent / "recordings"
RUNNING = ["docker-20.10", "docker-28", "podman-4.3"]


def recorded(name: str) -> bytes:
    return (RECORDINGS / f"{name}.json").read_bytes()


def reading(name: str, **flags: bool) -> Reading:
    return reading_of("c1", recorded(name), podman=name.startswith("podman"), **flags)


def changed(**over: Any) -> Reading:
    answer = json.loads(recorded("docker-20.10-stats-1")) | over
    return reading_of("c1", json.dumps(answer).encode())


@pytest.mark.parametrize("engine", RUNNING)
def test_a_container_limited_to_half_a_core_that_burns_shows_fifty_percent(engine: str) -> None:
    shown = figures(reading(f"{engine}-stats-1"), reading(f"{engine}-stats-2"), 0.5, 2)
    assert shown.cpu_percent == pytest.approx(50, abs=4)
    assert shown.cpu_share_percent == pytest.approx(100, abs=8)
    assert shown.memory_limit_bytes == 64 * 1024 * 1024
    assert shown.pids == 1


@pytest.mark.parametrize("engine", ["docker-20.10", "docker-28"])
def test_memory_leaves_out_the_pages_of_files_that_were_written(engine: str) -> None:
    now = reading(f"{engine}-stats-2")
    assert now.memory_cache is not None
    assert now.memory_cache >= 8 * 1024 * 1024
    used = figures(None, now, None, 2).memory_used_bytes
    assert used is not None
    assert used < 3 * 1024 * 1024


@pytest.mark.parametrize("engine", RUNNING)
def test_a_paused_container_answers_and_is_zero(engine: str) -> None:
    paused = reading(f"{engine}-stats-paused")
    assert figures(paused, two_seconds_later(paused), None, 2).cpu_percent == 0.0


def two_seconds_later(earlier: Reading) -> Reading:
    system = (earlier.system_total_ns or 0) + 4 * 10**9
    return dataclasses.replace(earlier, read_ns=earlier.read_ns + 2 * 10**9, system_total_ns=system)


@pytest.mark.parametrize("engine", RUNNING)
def test_a_stopped_container_has_no_time_and_no_figures(engine: str) -> None:
    assert reading(f"{engine}-stats-stopped") == Reading("c1", 0)


def test_a_container_without_network_has_no_network_figures() -> None:
    assert reading("docker-28-stats-1").network_rx is None


def test_cgroup_v2_speaks_in_other_words() -> None:
    now = reading("cgroup-v2-stats-1")
    assert (now.online_cpus, now.pids) == (4, 5)
    assert (now.memory_usage, now.memory_inactive_file, now.memory_cache) == (10_000_000, 6_000_000, 7_000_000)
    assert (now.block_read, now.block_write) == (7_593_984, 123)
    assert (now.network_rx, now.network_tx) == (5338 + 4641, 648 + 690)


def test_windows_counts_in_hundreds_of_nanoseconds_and_keeps_its_memory_elsewhere() -> None:
    now = reading("windows-stats-1", windows=True)
    assert (now.cpu_total_ns, now.online_cpus) == (7_000_000_000, 4)
    assert (now.memory_usage, now.memory_limit) == (40_000_000, None)
    assert (now.block_read, now.block_write) == (4096, 512)
    before = Reading("c1", now.read_ns - 10**9, cpu_total_ns=6 * 10**9)
    assert figures(before, now, None, None).cpu_percent == 25.0


def test_block_io_goes_by_the_first_letter_as_cgroup_v1_writes_it_large() -> None:
    entries = [{"op": "Read", "value": 5}, {"op": "Write", "value": 7}, {"op": "Sync", "value": 7}, {"op": "Total"}]
    now = changed(blkio_stats={"io_service_bytes_recursive": entries})
    assert (now.block_read, now.block_write) == (5, 7)


def test_block_io_that_nobody_counted_is_unknown_and_an_empty_list_is_none() -> None:
    assert changed(blkio_stats={"io_service_bytes_recursive": None}).block_read is None
    assert changed(blkio_stats={"io_service_bytes_recursive": []}).block_read == 0
    assert changed(blkio_stats=None).block_write is None


def test_the_cpus_are_counted_when_the_answer_does_not_say_how_many() -> None:
    usage = {"total_usage": 5, "percpu_usage": [1, 2, 2]}
    assert changed(cpu_stats={"cpu_usage": usage}).online_cpus == 3
    assert changed(cpu_stats={"cpu_usage": usage, "online_cpus": 0}).online_cpus == 3
    assert changed(cpu_stats={"cpu_usage": {"total_usage": 5}}).online_cpus is None


def test_more_counters_per_cpu_than_cpus_online_change_nothing() -> None:
    usage = {"total_usage": 5, "percpu_usage": [1, 2, 2, 0, 0, 0, 0, 0]}
    assert changed(cpu_stats={"cpu_usage": usage, "online_cpus": 3}).online_cpus == 3


def test_a_running_container_with_empty_memory_is_unknown() -> None:
    now = changed(memory_stats={})
    assert (now.memory_usage, now.memory_limit) == (None, None)
    assert figures(None, now, None, 2).memory_percent is None


@pytest.mark.parametrize("field", ["cpu_stats", "memory_stats", "networks", "blkio_stats", "pids_stats"])
def test_a_part_that_is_null_is_unknown_and_the_rest_is_there(field: str) -> None:
    assert changed(**{field: None}).read_ns > 0


def test_the_second_inactive_figure_serves_when_the_first_is_larger_than_the_usage() -> None:
    stats = {"total_inactive_file": 500, "inactive_file": 30}
    assert changed(memory_stats={"usage": 100, "stats": stats}).memory_inactive_file == 30


@pytest.mark.parametrize("number", [2**64 - 1, 2**70, -1])
def test_a_number_that_no_database_holds_is_unknown(number: int) -> None:
    now = changed(memory_stats={"usage": 5, "limit": number}, pids_stats={"current": number})
    assert (now.memory_limit, now.pids, now.memory_usage) == (None, None, 5)


def test_numbers_keep_all_their_digits() -> None:
    """Above 2**53 a double would lose some."""
    assert changed(cpu_stats={"cpu_usage": {"total_usage": 2**53 + 1}}).cpu_total_ns == 2**53 + 1


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T00:00:01.000000001Z", 10**9 + 1),
        ("1970-01-01T01:00:01.5+01:00", 10**9 + 500_000_000),
        ("2026-11-24T04:20:59.789052133Z", 1_795_494_059_789_052_133),
        ("0001-01-01T00:00:00Z", 0),
    ],
)
def test_times_keep_their_nanoseconds(text: str, ns: int) -> None:
    assert nanoseconds(text) == ns


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{}", b"<html></html>", b'{"read":', b'"x"', b"\xff\xfe", b'{"read": 5}',
        b'{"read": "yesterday"}', b'{"read": "2026-11-24T04:20:59Z", "cpu_stats": "much"}',
        b'{"read": "2026-11-24T04:20:59Z", "pids_stats": {"current": "many"}}',
        b'{"read": "2026-11-24T04:20:59Z", "pids_stats": {"current": 1e400}}',
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_nonsense_is_unreadable_and_nothing_worse(body: bytes) -> None:
    with pytest.raises(Unreadable):
        reading_of("c1", body)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_reading_or_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        reading_of("c1", body)


@given(st.integers(0, 1600), st.binary(min_size=1, max_size=3))
def test_a_damaged_answer_is_a_reading_or_unreadable(at: int, damage: bytes) -> None:
    body = bytearray(recorded("docker-20.10-stats-1"))
    body[at : at + len(damage)] = damage
    try:
        now = reading_of("c1", bytes(body))
    except Unreadable:
        return
    assert now.container_id == "c1"


def test_an_answer_decoded_by_docker_py_means_the_same() -> None:
    body = recorded("docker-20.10-stats-1")
    assert reading_of_dict("c1", json.loads(body)) == reading_of("c1", body)
    with pytest.raises(Unreadable):
        reading_of_dict("c1", [])
