"""The one form for a destination: the page, the admin and REST all decide by it what is right."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from monitoring.models import EventKind, Project, Stage
from monitoring.models.event import kind_choices
from notifications import guard
from notifications.formats import FORMATS, Format
from notifications.models import Destination
from notifications.models.destination import SECRET_GRACE, new_signing_secret


class SlugsField(forms.MultipleChoiceField):
    """Ids of rows that exist, or that were chosen when they did."""

    def __init__(self, model: type[Project | Stage], **kwargs: Any) -> None:
        self._model = model
        kept = {"required": False, "widget": forms.CheckboxSelectMultiple, **kwargs}
        super().__init__(choices=self._existing, **kept)

    def _existing(self) -> list[tuple[str, str]]:
        slugs = self._model.objects.order_by("slug").values_list("slug", flat=True).distinct()
        return [(slug, slug) for slug in slugs]

    def keep(self, chosen: list[str]) -> None:
        """Accept what was CHOSEN before although its rows are gone."""
        known = self._existing()
        self.choices = known + [(slug, slug) for slug in chosen if (slug, slug) not in known]


class DestinationForm(forms.ModelForm):  # type: ignore[type-arg]
    """Address and secret are write-only: never shown again, and kept when their fields stay empty.

    After a valid save, `new_secret` holds the signing secret if one was made, to be shown this once.
    """

    address = forms.CharField(label=_("Address"), required=False, max_length=2_000, strip=True)
    secret = forms.CharField(label=_("Secret"), required=False, max_length=500, strip=True)
    kinds = forms.MultipleChoiceField(
        label=_("Events"), required=False, choices=kind_choices, widget=forms.CheckboxSelectMultiple
    )
    projects = SlugsField(Project, label=_("Projects"), help_text=_("None ticked: all."))
    stages = SlugsField(Stage, label=_("Stages"), help_text=_("None ticked: all."))
    language = forms.ChoiceField(label=_("Language"), choices=lambda: settings.LANGUAGES)
    time_zone = forms.CharField(label=_("Time zone"), max_length=60)

    class Meta:
        model = Destination
        fields = (
            *("name", "format", "address", "secret", "min_severity", "projects", "stages"),
            *("language", "time_zone", "quiet_start", "quiet_end", "cool_down_minutes", "messages_per_hour", "enabled"),
        )
        widgets = {
            "quiet_start": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "quiet_end": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }
        error_messages = {"name": {"unique": _("There is a destination of this name already. Choose another one.")}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.new_secret = ""
        self.is_new = self.instance.pk is None
        self._stored_secret = self.instance.secret
        wanted = [kind.value for kind in EventKind if kind.default_on] if self.is_new else self.instance.kinds
        self.initial.update(address="", secret="")
        self.initial.setdefault("kinds", EventKind.values if wanted == "all" else wanted)
        for name, attributes in self._attributes().items():
            if name in self.fields:
                self.fields[name].widget.attrs.update(attributes)
        for name in ("projects", "stages"):
            field = self.fields.get(name)
            if isinstance(field, SlugsField):
                field.keep(getattr(self.instance, name))

    def _attributes(self) -> dict[str, dict[str, str]]:
        """Return the attributes of the fields that say what is stored without showing it."""
        stored = "" if self.is_new else self.instance.masked_address
        return {
            "address": {"placeholder": stored or "https://", "autocomplete": "off", "spellcheck": "false"},
            "secret": {"placeholder": "••••" if self.instance.secret else "", "autocomplete": "off"},
            "time_zone": {"list": "zones"},
        }

    def clean_time_zone(self) -> str:
        name = str(self.cleaned_data["time_zone"])
        if name not in available_timezones():
            said = _("There is no time zone “%(name)s”. Write it such as Europe/Berlin.")
            raise ValidationError(said, "zone", {"name": name})
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        shape = FORMATS.get(cleaned.get("format", ""))
        if shape:
            self._settle("address", lambda: self._address(shape, cleaned.get("address", "")))
            self._settle("secret", lambda: self._secret(shape, cleaned.get("secret", "")))
        return cleaned

    def _settle(self, name: str, decide: Any) -> None:
        """Put into the cleaned fields what DECIDE answers, or its sentence beside the field NAME."""
        if name in self.errors:
            return
        try:
            self.cleaned_data[name] = decide()
        except (ValueError, guard.RefusedError) as error:
            self.add_error(name, str(error))

    def _address(self, shape: Format, entered: str) -> str:
        address = entered or self.instance.address
        if not address:
            raise ValueError(_("Enter the address."))
        shape.check(address)
        if entered and shape.channel == "http":
            self.instance.warning = guard.doubt(address)
        return address

    def _secret(self, shape: Format, entered: str) -> str:
        """Return the secret to store: the one ENTERED, the one that is kept, or a new one where the format signs."""
        secret = entered or (self.instance.secret if self._format_stays(shape) else "")
        if shape.signs and not secret:
            self.new_secret = secret = new_signing_secret()
        shape.check_secret(secret)
        return secret

    def _format_stays(self, shape: Format) -> bool:
        stored = self.initial.get("format")
        return stored is None or stored == shape.name

    def save(self, commit: bool = True) -> Destination:
        """Store it; a signing secret that was replaced goes on signing beside the new one for a day."""
        row: Destination = self.instance
        if self._stored_secret and row.shape.signs and row.secret != self._stored_secret:
            row.previous_secret, row.previous_secret_until = self._stored_secret, timezone.now() + SECRET_GRACE
        if row.enabled:
            row.disabled_reason, row.failing_since = "", None if "enabled" in self.changed_data else row.failing_since
        saved: Destination = super().save(commit)
        return saved

    def _save_m2m(self) -> None:
        super()._save_m2m()  # type: ignore[misc]
        if "kinds" in self.cleaned_data:
            self.instance.subscribe(self.cleaned_data["kinds"])
