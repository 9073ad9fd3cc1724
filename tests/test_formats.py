"""What leaves for each service is judged by independent checkers: Slack's own models, Discord's and Teams' schemas."""

import json
import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from zoneinfo import ZoneInfo

import jsonschema
import pytest
from django.conf import settings
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as tries
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block
from standardwebhooks import Webhook
from svix.webhooks import Webhook as SvixWebhook

from notifications.formats import FORMATS, Notice, email, guess
from notifications.formats.text import BODY_BYTES, fit, octets, utf16

NOW = datetime(2026, 11, 24, 4, 20, tzinfo=UTC)
SCHEMAS = Path(__file__).parent / "schemas"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ADDRESSES = {
    "webhook": "https://example.org/hook",
    "slack": "https://hooks.slack.com/services/T000/B000/XXXX",
    "discord": "https://discord.com/api/webhooks/1/abc",
    "teams": "https://prod-1.westeurope.logic.azure.com/workflows/1",
    "ntfy": "https://ntfy.sh/my-topic",
    "email": "ops@example.org, night@example.org",
    "apprise": "json://example.org/hook",
}
HTTP_FORMATS = ["webhook", "slack", "discord", "teams", "ntfy"]

hostile = st.one_of(
    st.sampled_from(
        [
            "@everyone @here",
            " \u3000\n\t ",
            "<!channel> <@U123> <!subteam^S1|x>",
            "[click](https://evil.example) **bold** `code` ~~gone~~ ||spoiler||",
            "{{DATE(2017-02-14T06:00:00Z, SHORT)}} ${env} <at>all</at>",
            '"}],"allowed_mentions":{"parse":["everyone"]}',
            "<script>alert(1)</script>&amp;",
            "line\r\nSubject: injected\r\n\r\nbody",
            "\u202egnp.exe \x00\x1b[31m \udcff 👩‍👩‍👧‍👦 ",
            "& < > \\ " * 2_000,
            "👾" * 9_000,
        ]
    ),
    st.text(st.characters(exclude_categories=()), max_size=60),
)
details = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | hostile,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(hostile, inner, max_size=4),
    max_leaves=3,
)
notice = st.builds(
    Notice,
    id=st.integers(1, 10**9).map("evt_{}".format),
    kind=st.sampled_from(["deploy.failed", "proxy.unhealthy", "host.recovered"]),
    label=hostile,
    severity=st.sampled_from(["info", "success", "warning", "error"]),
    at=st.just(NOW.astimezone(ZoneInfo("Europe/Berlin"))),
    last_at=st.just(NOW),
    count=st.integers(1, 10**6),
    title=hostile,
    message=hostile,
    host=hostile,
    project=hostile,
    stage=hostile,
    subject=hostile,
    url=st.integers(1, 10**9).map("https://watch.example.org/events/{}".format),
    details=st.dictionaries(hostile, details, max_size=3),
    test=st.booleans(),
    language=st.sampled_from(["en", "ru"]),
    facts=st.lists(st.tuples(hostile, hostile), max_size=3).map(tuple),
)
notices = st.one_of(st.lists(notice, min_size=1, max_size=1), st.lists(notice, min_size=2, max_size=3))
DISCORD = jsonschema.Draft202012Validator(json.loads((SCHEMAS / "discord-webhook.json").read_text()))
TEAMS = jsonschema.Draft6Validator(json.loads((SCHEMAS / "adaptive-card-1.5.0.json").read_text()))


@pytest.fixture(scope="module")
def two_hundred_hostile() -> list[list[Notice]]:
    """Return 200 messages' worth of events that say the worst they can."""
    found: list[list[Notice]] = []

    @tries(
        max_examples=200,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(notices)
    def collect(told: list[Notice]) -> None:
        found.append(told)

    collect()
    assert len(found) >= 200
    return found


def a_notice(**changes: object) -> Notice:
    known = {
        "id": "evt_7",
        "kind": "deploy.failed",
        "label": "Deploy failed",
        "severity": "error",
        "at": NOW.astimezone(ZoneInfo("Europe/Berlin")),
        "last_at": NOW,
        "count": 1,
        "title": "Deploy failed: web-1",
        "message": "A new container crashed.",
        "host": "local",
        "project": "shop",
        "stage": "production",
        "subject": "web-1",
        "url": "https://watch.example.org/events/7",
        "details": {"exit_code": 1},
    }
    return Notice(**(known | changes))


def sent(name: str, told: list[Notice], secrets: tuple[str, ...] = ()) -> dict:
    outgoing = FORMATS[name].render(told, ADDRESSES[name], secrets, "msg_1", NOW)
    assert len(outgoing.body) <= BODY_BYTES
    return json.loads(outgoing.body.decode())


def texts(value: object) -> list[str]:
    """Return every text in VALUE, however nested."""
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


def test_every_format_of_the_vocabulary_is_in_the_table():
    assert list(FORMATS) == ["webhook", "slack", "discord", "teams", "ntfy", "email", "apprise"]


def test_slack_accepts_whatever_an_event_says(two_hundred_hostile):
    for told in two_hundred_hostile:
        body = sent("slack", told)
        assert 1 <= len(body["blocks"]) <= 50
        for block in Block.parse_all(body["blocks"]):
            block.validate_json()
        assert body["text"]


def test_slack_never_reads_markup_or_a_ping_in_an_event(two_hundred_hostile):
    for told in two_hundred_hostile:
        body = sent("slack", told)
        marked = [block for block in texts(body["blocks"]) if "<" in block]
        assert marked == [
            f"<{told[0].url if len(told) == 1 else 'https://watch.example.org/events'}|{marked[0].split('|')[1]}"
        ]
        assert "<" not in body["text"]
        assert "mrkdwn" not in json.dumps([block for block in body["blocks"] if block["type"] != "context"])


def test_discord_accepts_whatever_an_event_says(two_hundred_hostile):
    for told in two_hundred_hostile:
        body = sent("discord", told)
        DISCORD.validate(body)
        assert body["allowed_mentions"] == {"parse": []}
        embed = body["embeds"][0]
        counted = [embed["title"], embed.get("description", "")]
        for field in embed.get("fields", []):
            assert field["name"].strip()
            assert field["value"].strip()
            counted += [field["name"], field["value"]]
        assert sum(map(utf16, counted)) <= 6_000
        assert utf16(embed["title"]) <= 256
        assert utf16(embed.get("description", "")) <= 4_096


def test_discord_sees_no_markup_and_no_mention_in_an_event(two_hundred_hostile):
    for told in two_hundred_hostile:
        embed = sent("discord", told)["embeds"][0]
        said = [embed["title"], embed.get("description", "")]
        said += [field[part] for field in embed.get("fields", []) for part in ("name", "value")]
        for text in said:
            assert "@everyone" not in text
            assert "@here" not in text
            assert not re.search(r"[*_~`|<>\[\]()]", re.sub(r"\\.", "", text))
            assert not re.search(r"(?<!\\)(\\\\)*\\$", text), "an escape was cut in half"


def test_teams_accepts_whatever_an_event_says(two_hundred_hostile):
    for told in two_hundred_hostile:
        body = sent("teams", told)
        [attachment] = body["attachments"]
        assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        TEAMS.validate(attachment["content"])
        said = texts(attachment["content"]["body"])
        assert not [text for text in said if re.search(r"{{|\$\{|<at>", text)]
        assert {block["type"] for block in attachment["content"]["body"]} == {"RichTextBlock"}


def test_ntfy_never_turns_a_message_into_an_attachment(two_hundred_hostile):
    for told in two_hundred_hostile:
        body = sent("ntfy", told)
        assert octets(body["message"]) <= 4_096
        assert octets(body["title"]) <= 250
        assert body["topic"] == "my-topic"
        assert 1 <= body["priority"] <= 5


def test_a_webhook_body_is_signed_as_the_bytes_that_are_sent(two_hundred_hostile):
    for told in two_hundred_hostile:
        now = datetime.now(UTC)
        outgoing = FORMATS["webhook"].render(told, ADDRESSES["webhook"], [SECRET], "msg_1", now)
        assert len(outgoing.body) <= BODY_BYTES
        by_the_standard = Webhook(SECRET).verify(outgoing.body, outgoing.headers)
        assert SvixWebhook(SECRET).verify(outgoing.body, outgoing.headers) == by_the_standard
        events = by_the_standard["data"]["events"] if len(told) > 1 else [by_the_standard["data"]]
        assert [event["id"] for event in events] == [notice.id for notice in told]


def test_a_letter_has_one_subject_line_and_no_markup_of_an_event(two_hundred_hostile):
    for told in two_hundred_hostile:
        outgoing = FORMATS["email"].render(told, ADDRESSES["email"], [], "msg_1", NOW)
        letter = email.letter(outgoing)
        wire = letter.message().as_bytes()
        assert len(message_from_bytes(wire).get_all("Subject")) == 1
        assert letter.to == ["ops@example.org", "night@example.org"]
        assert "<script>" not in json.loads(outgoing.body)["html"]
        assert b"\nMessage-ID: <msg_1@pierwatch>" in wire


def test_apprise_is_handed_title_body_and_type(two_hundred_hostile):
    for told in two_hundred_hostile:
        body = sent("apprise", told)
        assert set(body) == {"title", "body", "type"}
        assert body["type"] in ("failure", "warning", "info", "success")


@pytest.mark.parametrize("name", FORMATS)
def test_a_digest_names_every_event(name):
    told = [a_notice(id=f"evt_{n}", title=f"Deploy failed: web-{n}", message="m" * 3_000) for n in range(100, 150)]
    said = FORMATS[name].render(told, ADDRESSES[name], [], "msg_1", NOW).body.decode().replace("\\", "")
    assert [n for n in range(100, 150) if f"web-{n}" not in said] == []
    assert "50 events" in said


@pytest.mark.parametrize("name", FORMATS)
def test_a_message_says_what_where_and_when_in_the_readers_time_and_links_to_the_event(name):
    said = FORMATS[name].render([a_notice()], ADDRESSES[name], [], "msg_1", NOW).body.decode().replace("\\", "")
    for words in ("Deploy failed: web-1", "A new container crashed.", "shop", "production", "events/7"):
        assert words in said
    if name != "webhook":
        assert "5:20 a.m. CET" in said


@pytest.mark.parametrize("name", FORMATS)
def test_a_test_message_says_that_it_is_one(name):
    said = FORMATS[name].render([a_notice(test=True)], ADDRESSES[name], [], "msg_1", NOW).body.decode()
    assert '"test":true' in said if name == "webhook" else "test" in said.replace("\\", "")


@pytest.mark.parametrize("name", HTTP_FORMATS)
def test_the_same_notices_give_the_same_bytes_on_every_attempt(name):
    first, second = (
        FORMATS[name].render([a_notice()], ADDRESSES[name], [], "msg_1", NOW + timedelta(hours=hours))
        for hours in (0, 6)
    )
    assert first.body == second.body


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_message_is_no_reason_to_send_an_empty_field(name):
    bare = a_notice(message="", host="", project="", stage="", details={})
    assert FORMATS[name].render([bare], ADDRESSES[name], [], "msg_1", NOW).body


def test_blank_facts_are_left_out_for_discord_refuses_empty_fields():
    blank = a_notice(facts=((" \u3000", "x"), ("Cause", " \n\t"), ("CPU", "99 %")), host=" ")
    names = [field["name"] for field in sent("discord", [blank])["embeds"][0]["fields"]]
    assert names == ["Project", "Time", "CPU"]


def test_a_digest_of_texts_that_grow_in_json_still_fits():
    long = a_notice(title='"\\' * 10_000, message="\\" * 30_000, subject='"' * 5_000)
    assert sent("webhook", [long, long])["data"]["events"][1]["id"] == "evt_7"


def test_the_webhook_body_has_the_promised_shape():
    assert sent("webhook", [a_notice()]) == {
        "type": "deploy.failed",
        "timestamp": "2026-11-24T04:20:00.000Z",
        "data": {
            "id": "evt_7",
            "severity": "error",
            "title": "Deploy failed: web-1",
            "message": "A new container crashed.",
            "host": "local",
            "project": "shop",
            "stage": "production",
            "subject": "web-1",
            "url": "https://watch.example.org/events/7",
            "details": {"exit_code": 1},
            "test": False,
        },
    }


def test_details_too_large_to_send_give_way_first():
    body = sent("webhook", [a_notice(details={"log": "x" * 30_000})])
    assert body["data"]["details"] == {"truncated": True}
    assert body["data"]["message"] == "A new container crashed."


def test_during_a_rotation_the_old_and_the_new_secret_both_prove_the_body():
    old, new = SECRET, "whsec_" + "B" * 40
    outgoing = FORMATS["webhook"].render([a_notice()], ADDRESSES["webhook"], [new, old], "msg_1", datetime.now(UTC))
    for secret in (old, new):
        assert Webhook(secret).verify(outgoing.body, outgoing.headers)
    assert outgoing.headers["X-Hub-Signature-256"].startswith("sha256=")


@pytest.mark.parametrize("secret", ["", "whsec_", "secret", "whsec_c2hvcnQ=", "whsec_" + "é" * 40])
def test_a_useless_signing_secret_is_refused_in_words(secret):
    with pytest.raises(ValueError, match="whsec_ followed by"):
        FORMATS["webhook"].render([a_notice()], ADDRESSES["webhook"], [secret], "msg_1", NOW)


@pytest.mark.parametrize(
    ("token", "header"), [("tk_abc", "Bearer tk_abc"), ("user:word", "Basic dXNlcjp3b3Jk"), ("", None)]
)
def test_ntfy_signs_in_with_a_token_or_with_user_and_password(token, header):
    outgoing = FORMATS["ntfy"].render([a_notice()], ADDRESSES["ntfy"], [token], "msg_1", NOW)
    assert outgoing.headers.get("Authorization") == header
    assert outgoing.url == "https://ntfy.sh/"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://hooks.slack.com/services/T/B/x", "slack"),
        ("https://discord.com/api/webhooks/1/x", "discord"),
        ("https://discord.com/channels/1", "webhook"),
        ("https://prod.westeurope.logic.azure.com/workflows/x", "teams"),
        ("https://ntfy.sh/x", "ntfy"),
        ("https://ntfy.example.org/x", "ntfy"),
        ("ops@example.org", "email"),
        ("mailto:ops@example.org", "email"),
        ("tgram://token/chat", "apprise"),
        ("https://example.org/hook", "webhook"),
        ("https://[broken", "webhook"),
    ],
)
def test_the_format_is_guessed_from_a_pasted_address(url, name):
    assert guess(url) == name


@pytest.mark.parametrize(
    ("name", "address", "sentence"),
    [
        ("webhook", "example.org/hook", "must begin with https://"),
        ("webhook", "ftp://example.org", "must begin with https://"),
        ("webhook", "https://", "names no host"),
        ("webhook", "https://user:word@example.org/", "Leave user and password out"),
        ("webhook", "https://exam ple.org/", "spaces or line breaks"),
        ("webhook", "https://[::1/", "not a valid address"),
        ("webhook", "https://example.org:99999/", "not a valid address"),
        ("slack", "hooks.slack.com", "must begin with https://"),
        ("ntfy", "https://ntfy.sh/", "names no topic"),
        ("email", "ops@", "ops@ is not an e-mail address"),
        ("email", " , ", "at least one e-mail address"),
        ("apprise", "nonsense://x", "does not know this kind of address"),
    ],
)
def test_a_wrong_address_is_refused_with_a_sentence_that_names_the_fix(name, address, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        FORMATS[name].check(address)


@pytest.mark.parametrize("name", FORMATS)
def test_a_right_address_passes(name):
    FORMATS[name].check(ADDRESSES[name])


@pytest.mark.parametrize(
    ("name", "status", "body", "sentence"),
    [
        ("slack", 404, "no_service", "the webhook was deleted in Slack. Create a new one and paste its URL."),
        ("slack", 410, "channel_is_archived", "channel was archived"),
        ("discord", 404, '{"message": "Unknown Webhook", "code": 10015}', "the webhook was deleted in Discord"),
        ("discord", 429, "", "Discord answered 429."),
        ("webhook", 302, "", "paste the final address"),
        ("webhook", 503, "", "trouble of its own"),
        ("slack", 200, "<html>", "not as this service confirms one"),
        ("webhook", 418, "", "Check the address"),
    ],
)
def test_an_answer_is_explained_in_a_sentence(name, status, body, sentence):
    assert sentence in FORMATS[name].explain(status, body)


def test_slack_confirms_with_ok_and_nothing_else():
    assert FORMATS["slack"].accepts(200, "ok")
    assert not FORMATS["slack"].accepts(200, "<html>Sign in</html>")
    assert FORMATS["webhook"].accepts(204, "")


@pytest.mark.parametrize("name", FORMATS)
def test_an_address_that_is_gone_is_told_apart_from_one_that_is_ill(name):
    assert FORMATS[name].gone(410, "")
    assert not FORMATS[name].gone(503, "")
    assert FORMATS[name].gone(404, "") == (name in ("slack", "discord"))


@given(st.text(), st.integers(0, 60), st.sampled_from([len, utf16, octets]))
def test_a_cut_text_fits_and_is_still_whole_characters(text, limit, size):
    shown = fit(text, limit, size)
    assert size(shown) <= limit
    assert shown.removesuffix("…") == "" or fit(text, 10**6).startswith(shown.removesuffix("…"))


def test_the_tests_know_the_languages():
    assert {"en", "ru"} <= {code for code, _name in settings.LANGUAGES}
