"""Listing, inspecting, negotiating: what an engine says, in our words; and what is said when it says nothing."""

from __future__ import annotations

import json
import os
import socket
import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from monitoring.engine import Container, EngineError, NoSuchContainer, connect
from monitoring.engine.inspected import container_of
from monitoring.engine.listed import facts_of, listed_of
from tests.simulated_engine import GARBAGE, HANG, HTML, NULL, Fault, SimulatedEngine

RECORDINGS = Path(__file__).parent / "recordings"
ENGINES = ["docker-20.10", "docker-28", "podman-4.3"]


def recorded(name: str) -> Any:
    return json.loads((RECORDINGS / f"{name}.json").read_text())


def inspected(engine: str = "docker-20.10", **over: Any) -> Container:
    answer = recorded(f"{engine}-inspect-running")
    for part, changes in over.items():
        answer[part] = answer[part] | changes if isinstance(changes, dict) else changes
    return container_of(answer)


def failure(url: str, certificates: str = "") -> EngineError:
    with pytest.raises(EngineError) as caught:
        connect(url, certificates).containers()
    return caught.value


# --- what an engine says ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("engine", ENGINES)
def test_the_list_of_a_real_engine_is_read(engine: str) -> None:
    found = {listed.name: listed for listed in map(listed_of, recorded(f"{engine}-list"))}
    assert {name: listed.state for name, listed in found.items()} == {
        "web": "running",
        "web2": "paused",
        "web3": "exited",
    }
    web = found["web"]
    assert web.labels["com.docker.compose.project"] == "shop"
    assert web.image.endswith("local/busybox:test")
    assert web.image_id.startswith("sha256:")
    assert web.created_at is not None
    assert web.created_at.year == 2026


def test_health_and_published_ports_stand_in_the_list() -> None:
    web = next(listed for listed in map(listed_of, recorded("docker-20.10-list")) if listed.name == "web")
    assert web.health == "healthy"
    assert web.addresses == {"bridge": "172.17.0.2"}
    assert web.ports[0] == {"container": 80, "protocol": "tcp", "host": 18080, "address": "0.0.0.0"}


@pytest.mark.parametrize(
    ("status", "health"),
    [
        ("Up 2 minutes", "none"),
        ("Up 2 minutes (healthy)", "healthy"),
        ("Up 2 minutes (unhealthy)", "unhealthy"),
        ("Up 2 seconds (health: starting)", "starting"),
        ("Up 5 seconds (Paused)", "none"),
        ("Exited (137) 2 hours ago", "none"),
    ],
)
def test_health_is_read_from_the_status_text(status: str, health: str) -> None:
    assert listed_of({"Id": "a" * 64, "Status": status}).health == health


def test_a_name_is_the_containers_own_not_that_of_a_link() -> None:
    assert listed_of({"Id": "a" * 64, "Names": ["/web/db", "/db"]}).name == "db"
    assert listed_of({"Id": "a" * 64, "Names": None}).name == "a" * 12


@pytest.mark.parametrize(
    ("word", "state"), [("removing", "exited"), ("stopped", "exited"), ("configured", "created"), ("what", "dead")]
)
def test_states_of_other_engines_become_ours(word: str, state: str) -> None:
    assert listed_of({"Id": "a" * 64, "State": word}).state == state


@pytest.mark.parametrize("engine", ENGINES)
def test_a_running_container_is_inspected(engine: str) -> None:
    web = inspected(engine)
    assert (web.name, web.state) == ("web", "running")
    assert web.health in ("healthy", "starting")
    assert (web.cpu_limit_cores, web.memory_limit_bytes) == (0.5, 64 * 1024 * 1024)
    assert web.restart_policy == "on-failure"
    assert web.health_window == 2 * 3 * (5 + 2)
    assert (web.finished_at, web.exit_code) == (None, None)
    assert web.started_at is not None
    assert web.mounts[0]["source"] == "shopdata"
    assert web.env["SECRET"] == "hunter2"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stopped_container_tells_how_it_ended(engine: str) -> None:
    ended = container_of(recorded(f"{engine}-inspect-stopped"))
    assert (ended.state, ended.exit_code, ended.oom_killed) == ("exited", 3, False)
    assert ended.finished_at is not None
    assert ended.finished_at.tzinfo is not None
    assert (ended.health, ended.health_window) == ("none", None)
    assert ended.cpu_limit_cores is None


def test_the_environment_never_shows_in_a_representation() -> None:
    assert "hunter2" not in repr(inspected())


def test_published_and_bare_ports_are_told_apart() -> None:
    ports = {"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "53/udp": None}
    assert inspected(NetworkSettings={"Ports": ports}).ports == [
        {"container": 80, "protocol": "tcp", "host": 8080, "address": ""},
        {"container": 53, "protocol": "udp", "host": None, "address": ""},
    ]


NO_LIMIT = {"NanoCpus": 0, "CpuQuota": 0, "CpuPeriod": 0, "CpusetCpus": ""}


@pytest.mark.parametrize(
    ("limits", "cores"),
    [
        ({}, None),
        ({"NanoCpus": 1_500_000_000}, 1.5),
        ({"CpuQuota": 50_000}, 0.5),
        ({"CpuQuota": 50_000, "CpuPeriod": 25_000}, 2.0),
        ({"CpuQuota": -1}, None),
        ({"CpusetCpus": "0-2,5"}, 4.0),
        ({"NanoCpus": 3_000_000_000, "CpusetCpus": "1"}, 1.0),
    ],
)
def test_the_cpu_limit_is_the_smallest_that_is_set(limits: dict[str, Any], cores: float | None) -> None:
    assert inspected(HostConfig=NO_LIMIT | limits).cpu_limit_cores == cores


@pytest.mark.parametrize(
    ("check", "window", "start"),
    [
        ({}, None, None),
        ({"Test": ["NONE"]}, None, None),
        ({"Test": ["CMD", "true"]}, 2 * 3 * (30 + 30), 0),
        ({"Test": ["CMD", "x"], "Interval": 10**10, "Timeout": 10**9, "Retries": 2}, 2 * 2 * 11, 0),
        ({"Test": ["CMD", "x"], "Interval": 10**10, "Timeout": 10**10, "StartPeriod": 6 * 10**10}, 60 + 120, 60),
    ],
)
def test_the_health_window_is_the_time_until_a_verdict(check: Any, window: int | None, start: int | None) -> None:
    web = inspected(Config={"Healthcheck": check})
    assert (web.health_window, web.health_start_period) == (window, start)


def test_the_configuration_has_composes_hash_or_one_of_our_own() -> None:
    assert inspected(Config={"Labels": {"com.docker.compose.config-hash": "abc"}}).config_hash == "abc"
    assert len(inspected().config_hash) == 64


@pytest.mark.parametrize("engine", ENGINES)
def test_a_container_made_anew_has_the_same_hash_although_its_host_name_is_new(engine: str) -> None:
    config = recorded(f"{engine}-inspect-running")["Config"]
    env = [pair for pair in config["Env"] if not pair.startswith("HOSTNAME=")]
    if len(env) < len(config["Env"]):
        env.append("HOSTNAME=abcabcabcabc")
    anew = inspected(engine, Config={"Hostname": "abcabcabcabc", "Env": env}, Id="b" * 64)
    assert anew.config_hash == inspected(engine).config_hash


def test_a_key_that_an_engine_update_adds_empty_does_not_change_the_hash() -> None:
    assert inspected(HostConfig={"NewThing": None, "Newer": {"Deep": []}}).config_hash == inspected().config_hash


@pytest.mark.parametrize("part", [{"Config": {"Env": ["SECRET=other"]}}, {"HostConfig": {"Memory": 5}}])
def test_a_changed_configuration_changes_the_hash(part: dict[str, Any]) -> None:
    assert inspected(**part).config_hash != inspected().config_hash


@pytest.mark.parametrize(("engine", "podman"), [("docker-20.10", False), ("docker-28", False), ("podman-4.3", True)])
def test_an_engine_says_what_it_is(engine: str, podman: bool) -> None:
    facts = facts_of(recorded(f"{engine}-version"), recorded(f"{engine}-info"), "1.41")
    assert (facts.podman, facts.windows, facts.cpus, facts.cgroup_version) == (podman, False, 2, "1")
    assert facts.version.startswith(engine.split("-")[1])
    assert bool(facts.engine_id) is not podman
    assert facts.memory_bytes == 25276514304


# --- asking -------------------------------------------------------------------------------------------------------
def test_one_list_call_tells_of_all_containers(simulated_engine: SimulatedEngine) -> None:
    for number in range(50):
        simulated_engine.add(f"web-{number}", state="exited" if number % 2 else "running")
    assert len(connect(simulated_engine.url).containers()) == 50
    assert [path for path in simulated_engine.requests if "/json" in path] == [
        "/v1.51/containers/json?limit=-1&all=1&size=0&trunc_cmd=0"
    ]


def test_only_the_allowed_paths_are_asked_for(simulated_engine: SimulatedEngine) -> None:
    """A socket proxy lets just these through; the simulated engine answers 404 to any other."""
    web = simulated_engine.add("web")
    engine = connect(simulated_engine.url)
    engine.facts()
    engine.containers()
    engine.inspect("web")
    engine.image_id_of("local/busybox:test")
    engine.read([web.id], 5)
    asked = {path.split("?")[0].removeprefix("/v1.51").replace(web.id, "ID") for path in simulated_engine.requests}
    assert asked <= {
        "/_ping", "/version", "/info", "/containers/json", "/containers/web/json", "/containers/ID/stats",
        "/images/local/busybox%3Atest/json", "/images/local/busybox:test/json",
    }  # fmt: skip


def test_a_tag_names_an_image_or_none(simulated_engine: SimulatedEngine) -> None:
    engine = connect(simulated_engine.url)
    assert engine.image_id_of("local/busybox:test") == "sha256:" + "a" * 64
    assert engine.image_id_of("nothing:like-it") is None


def test_an_unknown_container_is_an_error_of_its_own(simulated_engine: SimulatedEngine) -> None:
    with pytest.raises(NoSuchContainer, match="knows no container nobody"):
        connect(simulated_engine.url).inspect("nobody")


def test_an_entry_that_makes_no_sense_does_not_hide_the_others(simulated_engine: SimulatedEngine) -> None:
    simulated_engine.faults["/containers/json"] = Fault(
        body=json.dumps([None, {"Id": "a" * 64, "Names": ["/web"]}, {}, {"Id": "b", "Created": "then"}, "x"]).encode()
    )
    assert [listed.name for listed in connect(simulated_engine.url).containers()] == ["web"]


def test_one_engine_is_kept_for_each_address(simulated_engine: SimulatedEngine) -> None:
    assert connect(simulated_engine.url) is connect(simulated_engine.url)
    assert connect(simulated_engine.url) is not connect("unix:///elsewhere.sock")


# --- versions -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("oldest", "newest", "agreed"),
    [("1.12", "1.41", "1.41"), ("1.24", "1.51", "1.51"), ("1.44", "1.99", "1.52"), ("1.24", "1.40", "1.40")],
)
def test_the_newest_version_that_both_know_is_spoken(
    simulated_engine: SimulatedEngine, oldest: str, newest: str, agreed: str
) -> None:
    simulated_engine.oldest_api, simulated_engine.api = oldest, newest
    assert connect(simulated_engine.url).facts().api_version == agreed


def test_an_engine_too_old_is_named_with_what_to_do(simulated_engine: SimulatedEngine) -> None:
    simulated_engine.api = "1.39"
    error = failure(simulated_engine.url)
    assert error.code == "too_old"
    assert str(error) == f"The engine at {simulated_engine.url} is too old: it speaks API 1.39, Pierwatch needs 1.40."
    assert error.fix == "Update it to Docker Engine 20.10 or newer."


def test_an_engine_too_new_is_named_with_what_to_do(simulated_engine: SimulatedEngine) -> None:
    simulated_engine.oldest_api, simulated_engine.api = "1.60", "1.70"
    assert failure(simulated_engine.url).code == "too_new"


@pytest.mark.parametrize(("first", "then"), [("1.41", "1.51"), ("1.51", "1.41")])
def test_a_swapped_engine_is_spoken_to_in_its_own_version(
    simulated_engine: SimulatedEngine, first: str, then: str
) -> None:
    engine = connect(simulated_engine.url)
    web = simulated_engine.add("web")
    simulated_engine.oldest_api, simulated_engine.api = first, first
    assert len(engine.containers()) == 1
    simulated_engine.shut()
    simulated_engine.oldest_api, simulated_engine.api = then, then
    simulated_engine.open()
    assert web.id in engine.read([web.id], 5)
    simulated_engine.oldest_api, simulated_engine.api = first, first
    assert len(engine.containers()) == 1
    assert engine.facts().api_version == first


# --- when it cannot be used ---------------------------------------------------------------------------------------
def test_no_socket_says_what_to_mount() -> None:
    error = failure("unix:///nowhere/docker.sock")
    assert error.code == "no_socket"
    assert str(error) == "Pierwatch found no Docker socket at unix:///nowhere/docker.sock."
    assert error.fix.startswith("Mount it into the container or add a host.")


def test_a_rootless_socket_is_suggested(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    monkeypatch.setenv("HOME", str(short_path))
    with socket.socket(socket.AF_UNIX) as rootless:
        rootless.bind(str(short_path / "docker.sock"))
        fix = failure("unix:///nowhere/docker.sock").fix
    assert f"DOCKER_HOST=unix://{short_path}/docker.sock" in fix or "unix:///var/run/docker.sock" in fix


@contextmanager
def somebody_without_rights() -> Iterator[int]:
    """Be nobody for a moment; skipped without root."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    os.seteuid(65534)
    try:
        yield 65534
    finally:
        os.seteuid(0)


def test_no_permission_says_who_we_are_and_whose_it_is(simulated_engine: SimulatedEngine) -> None:
    assert simulated_engine.socket_path is not None
    simulated_engine.socket_path.parent.chmod(0o755)
    simulated_engine.socket_path.chmod(0o660)
    os.chown(simulated_engine.socket_path, 0, 998)
    with somebody_without_rights():
        error = failure(simulated_engine.url)
    assert error.code == "permission"
    assert str(error) == f"Docker refused the connection: permission denied on {simulated_engine.socket_path}."
    assert "the socket belongs to group 998" in error.fix
    assert 'group_add: ["998"]' in error.fix


def test_a_refused_connection_says_so(short_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(short_path / "s"))
    assert stat.S_ISSOCK((short_path / "s").stat().st_mode)
    assert failure(f"unix://{short_path}/s").code == "refused"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert failure(f"tcp://127.0.0.1:{port}").code == "refused"


def test_an_unknown_name_says_so() -> None:
    error = failure("tcp://engine.invalid:2375")
    assert error.code == "dns"
    assert "engine.invalid" in str(error)


@pytest.mark.parametrize("url", ["", "foo", "ftp://x", "unix://", "tcp://", "tcp://h:port", "http://", "tcp://[::1"])
def test_an_address_that_leads_nowhere_says_what_one_looks_like(url: str) -> None:
    error = failure(url)
    assert error.code == "address"
    assert "unix:///var/run/docker.sock" in error.fix


@pytest.mark.parametrize("fault", [HTML, NULL, GARBAGE, Fault(body=b"{}"), Fault(body=b""), Fault(status=500)])
@pytest.mark.parametrize("path", ["/version", "/containers/json"])
def test_an_engine_that_answers_nonsense_is_broken(simulated_engine: SimulatedEngine, fault: Fault, path: str) -> None:
    simulated_engine.faults[path] = fault
    error = failure(simulated_engine.url)
    assert error.code == "broken"
    assert error.fix


@pytest.mark.parametrize("path", ["/version", "/info", "/containers/json"])
def test_a_socket_proxy_that_denies_says_what_to_allow(simulated_engine: SimulatedEngine, path: str) -> None:
    simulated_engine.faults[path] = Fault(status=403, body=b"<html>403 Forbidden</html>")
    with pytest.raises(EngineError) as caught:
        (connect(simulated_engine.url).facts(), connect(simulated_engine.url).containers())
    assert caught.value.code == "denied"
    assert "containers" in caught.value.fix


def test_an_engine_that_hangs_is_given_up(simulated_engine: SimulatedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.engine.agreement.PATIENCE_SECONDS", 0.2)
    simulated_engine.faults["/version"] = HANG
    assert failure(simulated_engine.url).code == "timeout"


def test_an_engine_that_comes_back_is_used_again(simulated_engine: SimulatedEngine) -> None:
    engine = connect(simulated_engine.url)
    engine.containers()
    simulated_engine.shut()
    with pytest.raises(EngineError):
        engine.containers()
    simulated_engine.open()
    assert engine.containers() == []


# --- tcp and TLS --------------------------------------------------------------------------------------------------
@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certificates(authority: trustme.CA, tmp_path: Path) -> str:
    client = authority.issue_cert("client")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    client.private_key_pem.write_to_path(tmp_path / "key.pem")
    client.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    return str(tmp_path)


@pytest.fixture
def secure_engine(authority: trustme.CA) -> Iterator[SimulatedEngine]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    with SimulatedEngine(tls=context, containers=40) as engine:
        yield engine


def test_an_engine_behind_tcp_is_listed_and_read() -> None:
    with SimulatedEngine(containers=40) as simulated:
        engine = connect(simulated.url)
        assert len(engine.read([listed.id for listed in engine.containers()], 10)) == 40
        engine.close()


def test_an_engine_behind_tls_is_listed_and_read(secure_engine: SimulatedEngine, certificates: str) -> None:
    engine = connect(secure_engine.url, certificates)
    assert len(engine.read([listed.id for listed in engine.containers()], 10)) == 40
    engine.close()


def test_a_certificate_of_another_authority_is_refused(secure_engine: SimulatedEngine, certificates: str) -> None:
    trustme.CA().cert_pem.write_to_path(Path(certificates) / "ca.pem")
    error = failure(secure_engine.url, certificates)
    assert error.code == "tls"
    assert "ca.pem" in error.fix


def test_missing_certificates_are_named(secure_engine: SimulatedEngine, tmp_path: Path) -> None:
    error = failure(secure_engine.url, str(tmp_path / "nowhere"))
    assert error.code == "tls"
    assert "ca.pem, cert.pem and key.pem" in error.fix


def test_proxies_of_the_environment_are_for_the_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with SimulatedEngine(containers=1) as simulated:
        assert len(connect(simulated.url).containers()) == 1


def test_ssh_that_does_not_work_says_so() -> None:
    error = failure("ssh://nobody@127.0.0.1:1")
    assert error.code in ("ssh", "refused")
    assert error.fix


def test_times_are_aware() -> None:
    assert inspected(Created="2026-11-24T04:20:59.789052133Z").created_at == datetime(
        2026, 11, 24, 4, 20, 59, 789052, tzinfo=UTC
    )
