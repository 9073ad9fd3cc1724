from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models.instance import Instance

INSTANCE_SHIFT = 32


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

    class Meta:
        verbose_name = _("latest figures")
        verbose_name_plural = _("latest figures")

    def __str__(self) -> str:
        return f"{self.instance_id}"
