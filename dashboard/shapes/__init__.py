"""One JSON shape per entity, the same in REST and stream.

Times are UTC in ISO 8601, sizes bytes, CPU percent of one core plus the share of what the container may use.
An unknown figure is null, never 0.
"""

from dashboard.shapes.fleet import (
    MOVING,
    UNSHOWN,
    HostShape,
    MovingStats,
    ProjectShape,
    Stats,
    fresh_stats,
    host,
    moving,
    project,
    stats,
)
from dashboard.shapes.story import DeploymentShape, EventShape, ProxyShape, deployment, event, proxy
from dashboard.shapes.telling import (
    DeliveryShape,
    DestinationShape,
    NewDestinationShape,
    TestShape,
    delivery,
    destination,
    test,
)
from dashboard.shapes.text import Moment, encode, link, moment

__all__ = [
    "MOVING",
    "UNSHOWN",
    "DeliveryShape",
    "DeploymentShape",
    "DestinationShape",
    "EventShape",
    "HostShape",
    "Moment",
    "MovingStats",
    "NewDestinationShape",
    "ProjectShape",
    "ProxyShape",
    "Stats",
    "TestShape",
    "delivery",
    "deployment",
    "destination",
    "encode",
    "event",
    "fresh_stats",
    "host",
    "link",
    "moment",
    "moving",
    "project",
    "proxy",
    "stats",
    "test",
]
