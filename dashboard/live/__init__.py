"""What open pages and programs hear at once: facts come by signal, leave as messages, and one hub per web process
hands them to its SSE and WebSocket clients."""

from dashboard.live.announcements import broadcast, tell_event, tell_instances, tell_samples

__all__ = ["broadcast", "tell_event", "tell_instances", "tell_samples"]
