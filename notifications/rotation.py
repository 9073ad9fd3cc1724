"""Encrypt everything anew with a fresh key.

Safe at any moment: the new key is in the file before anything is written with it, each value is replaced only if it is
still the one that was read, and the key before stays in the file for those who write with it at this moment.
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.db import models
from django.db.models import QuerySet, TextField, Value
from django.db.models.functions import Cast

from notifications.secrets import EncryptedText, keyring, read_keys, write_keys

KEPT_KEYS = 2


def rotate() -> int:
    """Put a fresh key in force, encrypt every stored value with it, drop keys that nothing needs; return how many."""
    keyring()
    write_keys([Fernet.generate_key().decode(), *read_keys()])
    count = sum(reencrypt(model, field.attname) for model, field in encrypted_fields())
    write_keys(read_keys()[:KEPT_KEYS])
    return count


def encrypted_fields() -> Iterator[tuple[type[models.Model], EncryptedText]]:
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if isinstance(field, EncryptedText):
                yield model, field


def reencrypt(model: type[models.Model], field: str) -> int:
    """Encrypt FIELD of every row of MODEL with the newest key; a value that fits no key stays as it is."""
    raw = QuerySet(model).annotate(raw=Cast(field, TextField())).exclude(raw="").exclude(raw=None)
    done = 0
    for pk, old in list(raw.values_list("pk", "raw")):
        try:
            new = keyring().rotate(old.encode()).decode()
        except InvalidToken:
            continue
        done += raw.filter(pk=pk, raw=old).update(**{field: Value(new, output_field=TextField())})
    return done
