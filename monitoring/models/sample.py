from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import IntegrityError, connection, models
from django.utils.translation import gettext_lazy as _

from monitoring.models.instance import Instance
from monitoring.models.writing import append, upsert

INSTANCE_SHIFT = 32


class SampleQuerySet(models.QuerySet["Sample"]):
    def of(self, instance_id: int, since: int, until: int) -> SampleQuerySet:
        """Samples of one instance with SINCE <= unix second < UNTIL: a range of the primary key."""
        key_of = Sample.key_of
        return self.filter(key__gte=key_of(instance_id, since), key__lt=key_of(instance_id, until)).order_by("key")

    def store(self, samples: Sequence[Sample]) -> None:
        """Insert SAMPLES in one statement; an instance keeps its first sample of a second."""
        fields = [field.attname for field in Sample._meta.concrete_fields]
        try:
            append(Sample, [tuple(getattr(sample, field) for field in fields) for sample in samples])
        except IntegrityError:  # the clock was set back, or two sweeps were asked for within one second
            self.bulk_create(samples, ignore_conflicts=True)


class LatestQuerySet(models.QuerySet["Latest"]):
    def store(self, latest: Iterable[Latest]) -> None:
        """Insert or replace the newest figures of each instance, in one statement."""
        upsert(Latest, [_row_of(each) for each in latest])


def _row_of(latest: Latest) -> tuple[Any, ...]:
    """Return the values of all columns as both databases take them."""
    values = {field.attname: getattr(latest, field.attname) for field in Latest._meta.concrete_fields}
    values["sampled_at"] = connection.ops.adapt_datetimefield_value(latest.sampled_at)
    values["counters"] = json.dumps(latest.counters)
    return tuple(values.values())


class Sample(models.Model):
    """Figures of one instance at one tick.

    The key is (instance id << 32 | unix second): one integer that is unique per instance and tick, keeps an
    instance's samples side by side and makes every range, be it a chart's or the pruning's, a range of the
    primary key. Integers throughout: percentages in hundredths, sizes in bytes, flows in bytes per second.
    """

    key = models.BigIntegerField(primary_key=True)
    cpu = models.IntegerField(null=True)
    cpu_share = models.IntegerField(null=True)
    memory = models.BigIntegerField(null=True)
    network_rx = models.BigIntegerField(null=True)
    network_tx = models.BigIntegerField(null=True)
    block_read = models.BigIntegerField(null=True)
    block_write = models.BigIntegerField(null=True)
    pids = models.IntegerField(null=True)

    objects = SampleQuerySet.as_manager()

    class Meta:
        verbose_name = _("sample")
        verbose_name_plural = _("samples")

    def __str__(self) -> str:
        return f"{self.instance_id} at {self.second}"

    @staticmethod
    def key_of(instance_id: int, second: int) -> int:
        return instance_id << INSTANCE_SHIFT | second

    @property
    def instance_id(self) -> int:
        return self.key >> INSTANCE_SHIFT

    @property
    def second(self) -> int:
        return self.key & ((1 << INSTANCE_SHIFT) - 1)


class Latest(models.Model):
    """The newest figures of an instance, and the raw counters that the next sample is measured against."""

    instance = models.OneToOneField(Instance, models.CASCADE, primary_key=True, related_name="latest")
    container_id = models.CharField(max_length=64)
    sampled_at = models.DateTimeField(_("sampled"))

    cpu_percent = models.FloatField(_("CPU"), null=True, help_text="100 is one core")
    cpu_share_percent = models.FloatField(_("CPU share"), null=True, help_text="of what the container may use")
    cpu_limit_cores = models.FloatField(_("CPU limit"), null=True)
    memory_used_bytes = models.BigIntegerField(_("memory"), null=True)
    memory_limit_bytes = models.BigIntegerField(_("memory limit"), null=True)
    memory_percent = models.FloatField(_("memory share"), null=True)
    memory_cache_bytes = models.BigIntegerField(_("cache"), null=True)
    network_rx_bytes = models.BigIntegerField(_("received"), null=True)
    network_tx_bytes = models.BigIntegerField(_("sent"), null=True)
    block_read_bytes = models.BigIntegerField(_("read"), null=True)
    block_write_bytes = models.BigIntegerField(_("written"), null=True)
    pids = models.IntegerField(_("processes"), null=True)

    counters = models.JSONField(default=dict, help_text="stats.Counters as a dict")

    objects = LatestQuerySet.as_manager()

    class Meta:
        verbose_name = _("latest figures")
        verbose_name_plural = _("latest figures")

    def __str__(self) -> str:
        return f"{self.instance_id}"
