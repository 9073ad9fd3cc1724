"""Addresses and secrets lie encrypted, are shown masked, and survive a rotation that is killed anywhere."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection

from notifications import rotation
from notifications.models import Destination
from notifications.secrets import HIDDEN, keyring, masked, read_keys, redacted, write_keys

SLACK = "https://hooks.slack.com/services/T000/B000/abcdefghijkl"


@pytest.fixture(autouse=True)
def keys(settings, tmp_path) -> Path:
    settings.ENCRYPTION_KEYS_FILE = tmp_path / "data" / "encryption.keys"
    return settings.ENCRYPTION_KEYS_FILE


def destination(name: str = "ops", **fields) -> Destination:
    return Destination.objects.create(name=name, format="slack", **{"address": SLACK, "secret": "whsec_abc", **fields})


def stored(column: str = "address") -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM notifications_destination ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


def test_the_keys_are_made_once_and_are_the_owners_alone(keys):
    keyring()
    first = read_keys()
    keyring()

    assert read_keys() == first
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600


@pytest.mark.django_db
def test_nothing_readable_lies_in_the_database():
    row = destination()
    row.rotate_secret("whsec_new")

    for column in ("address", "secret", "previous_secret"):
        assert stored(column)[0].startswith("gAAAA")
    fresh = Destination.objects.get()
    assert (fresh.address, fresh.secret, fresh.previous_secret) == (SLACK, "whsec_new", "whsec_abc")


@pytest.mark.django_db
def test_rotation_encrypts_everything_anew_and_changes_nothing_else(keys, capsys):
    for number in range(5):
        destination(f"d{number}")
    before, old_key = stored(), read_keys()[0]

    call_command("rotate_key")

    assert "10 values" in capsys.readouterr().out
    assert not set(before) & set(stored())
    newest = Fernet(read_keys()[0])
    assert all(newest.decrypt(value.encode()).decode() == SLACK for value in stored())
    assert read_keys()[1:] == [old_key]
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    call_command("rotate_key")
    assert old_key not in read_keys()


@pytest.mark.django_db
@pytest.mark.parametrize("done", range(5))
def test_a_rotation_killed_midway_leaves_everything_readable_and_can_be_repeated(done):
    for number in range(4):
        destination(f"d{number}", secret="")
    write_keys([Fernet.generate_key().decode(), *read_keys()])
    for row in Destination.objects.order_by("pk")[:done]:
        row.save(update_fields=["address"])  # as far as the rotation had come when it was killed
    assert all(row.address == SLACK for row in Destination.objects.all())

    rotation.rotate()
    rotation.rotate()

    assert all(row.address == SLACK for row in Destination.objects.all())
    assert len(read_keys()) == 2


@pytest.mark.django_db
def test_without_the_right_key_an_address_is_empty_and_its_cipher_text_stays(keys, caplog):
    destination()
    cipher = stored()
    keys.unlink()

    assert Destination.objects.get().address == ""
    assert "encryption.keys" in caplog.text
    rotation.rotate()
    assert stored() == cipher


def test_a_broken_file_of_keys_says_what_to_do(keys):
    keyring()
    keys.write_text("not a key\n")

    with pytest.raises(ImproperlyConfigured, match="Fernet key a line"):
        keyring()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (SLACK, "https://hooks.slack.com/services/T000/••••"),
        ("https://discord.com/api/webhooks/123456/token", "https://discord.com/api/webhooks/••••"),
        ("https://ntfy.sh/mytopic", "https://ntfy.sh/••••"),
        ("https://example.org/?token=abc", "https://example.org/••••"),
        ("https://example.org:8443/", "https://example.org:8443/"),
        ("https://ann:word@example.org/hook", "https://example.org/••••"),
        ("tgram://bottoken/ChatID", "tgram://••••"),
        ("ops@example.org", "o••••@example.org"),
        ("whatever", "••••"),
        ("http://[::1", "••••"),
        ("", "••••"),
    ],
)
def test_an_address_is_shown_masked(address, shown):
    assert masked(address) == shown


def test_redaction_hides_the_whole_and_every_telling_part():
    secret = "whsec_c2VjcmV0c2VjcmV0"
    text = f"at {SLACK}: no /services/T000/B000/abcdefghijkl; key c2VjcmV0c2VjcmV0; https://ann:hunter22@h/x?token=tok%2Fen1"

    hidden = redacted(text, SLACK, secret, "https://ann:hunter22@h/x?token=tok%2Fen1")

    for piece in ("abcdefghijkl", "c2VjcmV0", "hunter22", "tok%2Fen1"):
        assert piece not in hidden
    assert HIDDEN in hidden


@pytest.mark.django_db
def test_neither_text_nor_repr_of_a_destination_tells_its_address():
    row = destination()

    assert "abcdefghijkl" not in f"{row} {row!r} {row.masked_address}"
