"""REST under /api: entrances that fetch, shape and answer. Described by OpenAPI at /api/openapi.json."""

from dashboard.api.root import api

__all__ = ["api"]
