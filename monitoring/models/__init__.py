"""What is true about containers, one module per group of rows."""

from monitoring.models.deployment import Change, Deployment
from monitoring.models.event import Event, EventKind, Severity
from monitoring.models.host import Host, Project, Stage, StageMapping
from monitoring.models.instance import LIVE_STATES, STATE_FILTERS, Counts, DisplayState, Health, Instance, State
from monitoring.models.preferences import Preferences
from monitoring.models.proxy import Proxy
from monitoring.models.sample import Latest, Sample

__all__ = [
    "LIVE_STATES",
    "STATE_FILTERS",
    "Change",
    "Counts",
    "Deployment",
    "DisplayState",
    "Event",
    "EventKind",
    "Health",
    "Host",
    "Instance",
    "Latest",
    "Preferences",
    "Project",
    "Proxy",
    "Sample",
    "Severity",
    "Stage",
    "StageMapping",
    "State",
]
