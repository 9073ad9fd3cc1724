"""How the severities look: mark and tone, always together with a word."""

LOOKS = {"error": ("▲", "crit"), "warning": ("◆", "warn"), "info": ("●", "idle"), "success": ("✓", "ok")}
