"""Who a container is, by its labels and name; and that no text can break us."""

from __future__ import annotations

import json

import pytest
from django.core.validators import validate_unicode_slug
from hypothesis import given
from hypothesis import strategies as st

from monitoring.identity import Identity, Rules, clean, clean_labels, harmless, identify, slug

COMPOSE = {
    "com.docker.compose.project": "shop",
    "com.docker.compose.service": "web",
    "com.docker.compose.container-number": "1",
    "com.docker.compose.oneoff": "False",
}


def who(name: str = "shop-web-1", rules: Rules | None = None, **labels: str) -> Identity:
    found = identify(name, {key.replace("__", "."): value for key, value in labels.items()}, rules)
    assert found is not None
    return found


def compose(found_project: str = "shop", rules: Rules | None = None, **own: str) -> Identity:
    labels = COMPOSE | {"com.docker.compose.project": found_project} | {f"pierwatch.{key}": own[key] for key in own}
    found = identify(f"{found_project}-web-1", labels, rules)
    assert found is not None
    return found


def test_a_container_without_labels_is_standalone() -> None:
    found = who("redis")
    assert (found.project, found.stage, found.name, found.slot, found.service) == (
        "standalone",
        "default",
        "redis",
        "redis",
        "",
    )


def test_compose_labels_name_project_and_service() -> None:
    found = compose()
    assert (found.project, found.stage, found.name, found.service) == ("shop", "default", "shop-web-1", "web")


def test_a_one_off_run_of_compose_is_not_an_instance() -> None:
    assert identify("shop-web-run-1", COMPOSE | {"com.docker.compose.oneoff": "True"}) is None


@pytest.mark.parametrize("value", ["true", "True", "1", "yes", " on "])
def test_an_ignored_container_is_not_an_instance(value: str) -> None:
    assert identify("web", {"pierwatch.ignore": value}) is None


def test_an_ignore_label_that_says_neither_is_watched_and_warned_about() -> None:
    found = who("web", pierwatch__ignore="maybe")
    assert found.warnings == [{"label": "pierwatch.ignore", "value": "maybe", "problem": "not_yes_or_no"}]
    assert identify("web", {"pierwatch.ignore": "false"})


def test_the_temporary_name_of_a_compose_recreate_is_the_slot_it_will_have() -> None:
    found = identify("1eb8cd360e7a_shop-web-1", COMPOSE)
    assert found is not None
    assert (found.slot, found.name, found.temporary) == ("shop-web-1", "shop-web-1", True)


def test_a_name_with_a_hex_prefix_that_compose_did_not_make_is_kept() -> None:
    found = who("1eb8cd360e7a_mine")
    assert (found.slot, found.temporary) == ("1eb8cd360e7a_mine", False)


def test_swarm_tasks_share_the_slot_of_their_service_and_number() -> None:
    swarm = {"com.docker.stack.namespace": "shop", "com.docker.swarm.service.name": "shop_web"}
    first = identify("shop_web.2.x8k2", swarm | {"com.docker.swarm.task.name": "shop_web.2.x8k2aaa"})
    second = identify("shop_web.2.p0q1", swarm | {"com.docker.swarm.task.name": "shop_web.2.p0q1bbb"})
    assert first is not None
    assert first == second
    assert (first.project, first.service, first.slot, first.name) == ("shop", "web", "shop_web.2", "shop_web.2")


def test_swarm_services_outside_a_stack_are_standalone() -> None:
    found = who("web.1.abc", com__docker__swarm__service__name="web")
    assert (found.project, found.service, found.slot) == ("standalone", "web", "web.1.abc")


@pytest.mark.parametrize("suffix", ["dev", "test", "qa", "staging", "stage", "preview", "prod", "production"])
def test_the_stage_is_the_suffix_of_the_project_which_loses_it(suffix: str) -> None:
    found = compose(f"shop-{suffix}")
    assert (found.project, found.project_name, found.stage) == ("shop", "shop", suffix)


@pytest.mark.parametrize("project", ["prod", "shop-products", "shop_prod", "-prod"])
def test_what_only_looks_like_a_suffix_stays_in_the_name(project: str) -> None:
    assert compose(project).stage == "default"


def test_own_labels_win_over_everything() -> None:
    rules = Rules({"shop-prod": ("mapped", "mapped-stage")}, "host-default")
    found = compose("shop-prod", rules, project="My Shop", stage="Canary", name="front")
    assert (found.project, found.project_name, found.stage, found.name) == ("my-shop", "My Shop", "canary", "front")
    assert found.slot == "shop-prod-web-1"


def test_a_project_named_by_its_own_label_keeps_its_suffix() -> None:
    found = compose("whatever-dev", project="shop-prod")
    assert (found.project, found.stage) == ("shop-prod", "default")


def test_the_suffix_goes_when_the_own_stage_label_repeats_it() -> None:
    assert compose("shop-staging", stage="staging").project == "shop"
    assert compose("shop-staging", stage="preview").project == "shop-staging"


def test_the_mapping_of_the_administrator_wins_over_the_suffix() -> None:
    found = compose("shop-prod", Rules({"shop-prod": ("webshop", "live")}))
    assert (found.project, found.stage) == ("webshop", "live")


def test_the_stage_of_the_host_is_the_last_resort_before_default() -> None:
    rules = Rules(default_stage="homelab")
    assert compose("shop", rules).stage == "homelab"
    assert compose("shop-dev", rules).stage == "dev"
    assert compose("shop").stage == "default"


def test_hostile_labels_become_harmless_text() -> None:
    evil = "<script>alert(1)</script>\n\0\x1b[31m\ud800\u202etxt" + "x" * 10_000
    found = who(
        "web",
        pierwatch__project=evil,
        pierwatch__stage=evil,
        pierwatch__name=evil,
        com__docker__compose__service=evil,
    )
    for text in (found.project, found.project_name, found.stage, found.name, found.service, found.slot):
        assert text
        assert not set(text) & set("\0\n\x1b\ud800\u202e")
        text.encode("utf-8")
    assert (len(found.project) <= 100, len(found.stage) <= 60, len(found.name) <= 255) == (True, True, True)
    assert {warning["problem"] for warning in found.warnings} == {"too_long"}


def test_long_texts_that_differ_at_their_end_stay_apart() -> None:
    assert slug("a" * 5000 + "1", 100) != slug("a" * 5000 + "2", 100)
    assert slug("a" * 150 + "1", 100) != slug("a" * 150 + "2", 100)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Мой Магазин", "мой-магазин"), ("日本", "日本"), ("Café/API v1.2", "café-api-v1-2"), ("a__b--c", "a__b-c")],
)
def test_slugs_keep_the_letters_of_every_script(text: str, expected: str) -> None:
    assert slug(text, 100) == expected


def test_a_slug_of_signs_alone_is_a_digest() -> None:
    assert slug("!!!", 60) == slug("!!!", 60) != slug("???", 60)
    assert slug("हिन्दी", 60) != slug("हान्दा", 60)


@given(st.text(alphabet=st.characters(), max_size=400), st.sampled_from([20, 60, 100]))
def test_any_text_gives_a_valid_stable_slug(text: str, length: int) -> None:
    made = slug(text, length)
    validate_unicode_slug(made)
    assert 0 < len(made) <= length
    assert made == slug(text, length)


@given(st.dictionaries(st.text(max_size=30), st.text(max_size=100), max_size=10))
def test_any_labels_can_be_stored(labels: dict[str, str]) -> None:
    stored = json.dumps(clean_labels(labels))
    assert "\\u0000" not in stored
    stored.encode("utf-8")


def test_labels_are_bounded_in_number_and_size_and_keep_their_line_breaks() -> None:
    kept = clean_labels({f"key{number}": "v" * 10_000 for number in range(1000)})
    assert len(kept) == 200
    assert {len(value) for value in kept.values()} == {4000}
    assert harmless("a\nb\0c\ud800", 100) == "a\nb\ufffdc?"


def test_cleaned_text_is_one_line_within_its_length() -> None:
    assert clean("  a\r\n b\t\u2028c  ", 100) == "a b c"
    assert clean("x" * 999, 10) == "x" * 10
