"""Routes as the proxies' own documentation writes them, and as nobody should."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from monitoring.routes import Route, UnusableError, find, normal_address
from monitoring.traefik import BadRuleError, PatternRuleError, Place, places

T = "traefik.http.routers"
PORT = "traefik.http.services.shop.loadbalancer.server.port"


def routes(
    labels: dict[str, str] | None = None, env: dict[str, str] | None = None, exposed: tuple[int, ...] = ()
) -> Any:
    return [(route.address, route.port) for route in find(labels or {}, env or {}, exposed).routes]


def problems(labels: dict[str, str], env: dict[str, str] | None = None) -> list[tuple[str, str]]:
    found = find(labels, env or {}, ())
    assert not found.routes
    return [(warning["label"], warning["problem"]) for warning in found.warnings]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("Host(`a.org`)", [("a.org", "")]),
        ('Host("a.org")', [("a.org", "")]),
        ("Host(`a.org`, `b.org`)", [("a.org", ""), ("b.org", "")]),
        ("Host(`a.org`) || Host(`b.org`)", [("a.org", ""), ("b.org", "")]),
        ("Host(`a.org`) && PathPrefix(`/api`)", [("a.org", "/api")]),
        ("Host(`a.org`) && (Path(`/x`) || PathPrefix(`/y`))", [("a.org", "/x"), ("a.org", "/y")]),
        ("Host(`a.org`)||Host(`b.org`)&&PathPrefix(`/b`)", [("a.org", ""), ("b.org", "/b")]),
        ("(Host(`a.org`) || Host(`b.org`)) && PathPrefix(`/b`)", [("a.org", "/b"), ("b.org", "/b")]),
        ("Host(`a.org`) && !PathPrefix(`/admin`)", [("a.org", "")]),
        ("Host(`a.org`) && Headers(`x`, `y`)", [("a.org", ""), ("a.org", "")]),
        ("Host(`a.org`) && Path(`/items/{id:[0-9]+}`)", [("a.org", "/items/")]),
        ("Host(`a.org`) || HostRegexp(`.+`)", [("a.org", "")]),
        ("PathPrefix(`/`)", []),
    ],
)
def test_a_traefik_rule_says_hosts_and_paths(rule: str, expected: list[tuple[str, str]]) -> None:
    assert [(place.host, place.path) for place in places(rule)] == expected


@pytest.mark.parametrize(
    "rule", ["HostRegexp(`{sub:[a-z]+}.a.org`)", "Host(`*.a.org`)", "HostRegexp(`^a`) && Path(`/x`)"]
)
def test_a_rule_by_pattern_names_no_address(rule: str) -> None:
    with pytest.raises(PatternRuleError):
        places(rule)


@pytest.mark.parametrize(
    "rule",
    ["", "Host", "Host(", "Host()", "Host(a.org)", "Host('a.org')", "Host(`a.org`) Host(`b.org`)", "Host(`a.org`) &&",
     "Host(`a", "(" * 3000, "!" * 1900, "((((((((((((((((((((((Host(`a`)))))))))))))))))))))))",
     "Host(`a`) §"],
)  # fmt: skip
def test_a_broken_rule_is_refused(rule: str) -> None:
    with pytest.raises(BadRuleError):
        places(rule)


def test_a_rule_of_many_alternatives_stays_bounded() -> None:
    many = " || ".join(f"Host(`{letter}.o`)" for letter in "abcdefghijklmnop")

    assert len(places(f"({many}) && ({many})")) == 50


@pytest.mark.parametrize(
    ("labels", "exposed", "expected"),
    [
        ({f"{T}.shop.rule": "Host(`shop.example.org`)", PORT: "8080"}, (), [("http://shop.example.org", 8080)]),
        ({f"{T}.shop.rule": "Host(`shop.example.org`)", f"{T}.shop.tls": "true"}, (80, 443),
         [("https://shop.example.org", 80)]),
        ({f"{T}.shop.rule": "Host(`Shop.Example.org`)", f"{T}.shop.tls.certresolver": "le"}, (8000,),
         [("https://shop.example.org", 8000)]),
        ({f"{T}.shop.rule": "Host(`a.org`)", f"{T}.shop.entryPoints": "web,websecure"}, (), [("https://a.org", None)]),
        ({f"{T}.shop.rule": "Host(`a.org`)", f"{T}.shop.entrypoints": "web"}, (), [("http://a.org", None)]),
        ({f"{T}.shop.rule": "Host(`a.org`)", f"{T}.shop.entrypoints": "websecure", f"{T}.shop.tls": "false"}, (),
         [("http://a.org", None)]),
        ({f"{T}.a.rule": "Host(`a.org`)", f"{T}.a.entrypoints": "web",
          f"{T}.b.rule": "Host(`a.org`)", f"{T}.b.tls": "true"}, (), [("https://a.org", None)]),
        ({f"{T}.a.rule": "Host(`a.org`)", f"{T}.a.service": "one", f"{T}.b.rule": "Host(`b.org`)",
          f"{T}.b.service": "two@docker", "traefik.http.services.one.loadbalancer.server.port": "8000",
          "traefik.http.services.two.loadbalancer.server.port": "9000"}, (),
         [("http://a.org", 8000), ("http://b.org", 9000)]),
        ({"traefik.enable": "false", f"{T}.shop.rule": "Host(`a.org`)"}, (), []),
        ({"traefik.enable": "true"}, (80,), []),
        ({"traefik.tcp.routers.db.rule": "HostSNI(`*`)"}, (), []),
    ],
)  # fmt: skip
def test_traefik_labels_become_routes(labels: dict[str, str], exposed: tuple[int, ...], expected: Any) -> None:
    assert routes(labels, exposed=exposed) == expected


UP = "{{upstreams}}"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"caddy": "a.org", "caddy.reverse_proxy": "{{upstreams 8080}}"}, [("https://a.org", 8080)]),
        ({"caddy": "a.org", "caddy.reverse_proxy": "{{ upstreams http 3000 }}"}, [("https://a.org", 3000)]),
        ({"caddy": "a.org", "caddy.reverse_proxy": "{{upstreams https}}"}, [("https://a.org", 443)]),
        ({"caddy": "a.org, b.org www.b.org", "caddy.reverse_proxy": UP},
         [("https://a.org", 80), ("https://b.org", 80), ("https://www.b.org", 80)]),
        ({"caddy": "http://a.org", "caddy.reverse_proxy": UP}, [("http://a.org", 80)]),
        ({"caddy": "a.org:80", "caddy.reverse_proxy": UP}, [("http://a.org", 80)]),
        ({"caddy": "a.org:8443", "caddy.reverse_proxy": UP}, [("https://a.org:8443", 80)]),
        ({"caddy": "a.org", "caddy.reverse_proxy": "app:5000"}, [("https://a.org", 5000)]),
        ({"caddy": "a.org", "caddy.1_reverse_proxy": "/api* {{upstreams 81}}"}, [("https://a.org/api", 81)]),
        ({"caddy": "a.org", "caddy.handle_path": "/source/*", "caddy.handle_path.0_reverse_proxy": "{{upstreams 82}}"},
         [("https://a.org/source/", 82)]),
        ({"caddy": "a.org", "caddy.reverse_proxy": UP, "caddy.reverse_proxy.header_up": "x"}, [("https://a.org", 80)]),
        ({"caddy_0": "(snippet)", "caddy_0.tls": "internal", "caddy_1": "a.org", "caddy_1.reverse_proxy": UP,
          "caddy_2": "b.org", "caddy_2.import": "snippet", "caddy_10": "c.org", "caddy_10.reverse_proxy": UP},
         [("https://a.org", 80), ("https://c.org", 80)]),
        ({"caddy.email": "you@example.com"}, []),
        ({"caddy": "a.org", "caddy.respond": '"hi" 200'}, []),
        ({"caddy": ":80", "caddy.reverse_proxy": UP}, []),
        ({"caddy_ingress_network": "proxy"}, []),
    ],
)  # fmt: skip
def test_caddy_labels_become_routes(labels: dict[str, str], expected: Any) -> None:
    assert routes(labels) == expected


@pytest.mark.parametrize(
    ("env", "exposed", "expected"),
    [
        ({"VIRTUAL_HOST": "a.org"}, (), [("http://a.org", 80)]),
        ({"VIRTUAL_HOST": "a.org"}, (3000,), [("http://a.org", 3000)]),
        ({"VIRTUAL_HOST": "a.org"}, (3000, 4000), [("http://a.org", 80)]),
        ({"VIRTUAL_HOST": "a.org, b.org,,", "VIRTUAL_PORT": "8080"}, (),
         [("http://a.org", 8080), ("http://b.org", 8080)]),
        ({"VIRTUAL_HOST": "a.org,b.org", "LETSENCRYPT_HOST": "a.org"}, (),
         [("https://a.org", 80), ("http://b.org", 80)]),
        ({"VIRTUAL_HOST": "a.org", "VIRTUAL_PATH": "/app1/"}, (), [("http://a.org/app1/", 80)]),
        ({"VIRTUAL_HOST_MULTIPORTS": "www.a.org:\nx.a.org:\n  '/':\n    port: 8000\n  /y:\n    port: 9000\n    dest: /",
          "VIRTUAL_HOST": "ignored.org"}, (),
         [("http://www.a.org", 80), ("http://x.a.org", 8000), ("http://x.a.org/y", 9000)]),
        ({"VIRTUAL_HOST_MULTIPORTS": '{"a.org": {"/": {"port": 8000, "dest": ""}}}'}, (), [("http://a.org", 8000)]),
        ({"SECRET": "VIRTUAL_HOST"}, (80,), []),
    ],
)  # fmt: skip
def test_nginx_proxy_environment_becomes_routes(env: dict[str, str], exposed: tuple[int, ...], expected: Any) -> None:
    assert routes(env=env, exposed=exposed) == expected


def test_the_own_label_names_addresses_and_wins_over_the_same_found_elsewhere() -> None:
    labels = {"pierwatch.proxy.url": "https://a.org/health?x=1, http://a.org", f"{T}.a.rule": "Host(`a.org`)"}

    assert find(labels, {}, (80,)).routes == (
        Route("https://a.org/health?x=1", 80, "label"),
        Route("http://a.org", 80, "label"),
    )


@pytest.mark.parametrize(
    ("labels", "env", "expected"),
    [
        ({"pierwatch.proxy.url": "shop"}, {}, [("pierwatch.proxy.url", "scheme")]),
        ({"pierwatch.proxy.url": "ftp://a.org"}, {}, [("pierwatch.proxy.url", "scheme")]),
        ({"pierwatch.proxy.url": "https://u:p@a.org"}, {}, [("pierwatch.proxy.url", "credentials")]),
        ({"pierwatch.proxy.url": "https:///x"}, {}, [("pierwatch.proxy.url", "no_host")]),
        ({"pierwatch.proxy.url": "https://a.org:99999"}, {}, [("pierwatch.proxy.url", "no_host")]),
        ({"pierwatch.proxy.url": "https://<script>"}, {}, [("pierwatch.proxy.url", "no_host")]),
        ({"pierwatch.proxy.url": f"https://a.org/{'x' * 600}"}, {}, [("pierwatch.proxy.url", "too_long")]),
        ({f"{T}.a.rule": "Host("}, {}, [(f"{T}.a.rule", "rule")]),
        ({f"{T}.a.rule": "HostRegexp(`.*`)"}, {}, [(f"{T}.a.rule", "pattern")]),
        ({f"{T}.a.rule": "Host(`a.org`)", PORT: "http"}, {}, [(f"{T}.a.rule", "port")]),
        ({"caddy": "*.a.org", "caddy.reverse_proxy": UP}, {}, [("caddy", "pattern")]),
        ({"caddy": "{$DOMAIN}", "caddy.reverse_proxy": UP}, {}, [("caddy", "template")]),
        ({}, {"VIRTUAL_HOST": "~^a\\..*"}, [("VIRTUAL_HOST", "pattern")]),
        ({}, {"VIRTUAL_HOST": "a.org", "VIRTUAL_PORT": "70000"}, [("VIRTUAL_HOST", "port")]),
        ({}, {"VIRTUAL_HOST_MULTIPORTS": "[" * 3000}, [("VIRTUAL_HOST_MULTIPORTS", "rule")]),
    ],
)  # fmt: skip
def test_what_cannot_be_used_becomes_a_warning(labels: Any, env: Any, expected: Any) -> None:
    assert problems(labels, env) == expected


def test_a_warning_never_repeats_a_value_of_the_environment() -> None:
    found = find({}, {"VIRTUAL_HOST": "~secret", "VIRTUAL_PORT": "hunter2"}, ())

    assert "secret" not in str(found.warnings)
    assert "hunter2" not in str(found.warnings)


@pytest.mark.parametrize(
    ("address", "normal"),
    [("HTTPS://Shop.Example.ORG:443/", "https://shop.example.org"), ("http://a.org:80/x", "http://a.org/x"),
     ("http://127.0.0.1:8080", "http://127.0.0.1:8080"), ("http://[::1]:8080/", "http://[::1]:8080"),
     ("https://bücher.de", "https://xn--bcher-kva.de"), ("http://my_app", "http://my_app")],
)  # fmt: skip
def test_an_address_has_one_way_of_writing(address: str, normal: str) -> None:
    assert normal_address(address) == normal


KEYS = ["pierwatch.proxy.url", f"{T}.a.rule", f"{T}.a.tls", PORT, "caddy", "caddy.reverse_proxy", "caddy_1.handle",
        "VIRTUAL_HOST", "VIRTUAL_PORT", "VIRTUAL_PATH", "VIRTUAL_HOST_MULTIPORTS"]  # fmt: skip
TEXTS = some.text(max_size=60) | some.lists(some.sampled_from(["Host", "(", ")", "`a`", "&&", "||", "!", ","])).map(
    "".join
)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(some.dictionaries(some.sampled_from(KEYS), TEXTS))
def test_no_label_breaks_the_search(texts: dict[str, str]) -> None:
    for route in find(texts, texts, (80,)).routes:
        try:
            assert normal_address(route.address) == route.address
        except UnusableError:  # pragma: no cover
            pytest.fail(f"{route} came out though it is unusable")


def test_places_narrow_each_other() -> None:
    assert Place("a", "").narrowed(Place("", "/x")) == Place("a", "/x")
