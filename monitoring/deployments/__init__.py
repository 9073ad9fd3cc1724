"""Changes of the slots of one stage, grouped into Deployments, verified and judged.

observing   what started in which slot, and which deployment that belongs to
comparing   what differs between two containers of a slot; is it a way back?  (pure)
judging     did it hold? the transitions from `started` to an end
folding     trouble of slots under verification belongs to the deployment: one message per incident
reporting   what the deploying tool says itself (POST /api/deployments)
"""

from monitoring.deployments.folding import absorb_instance, absorb_route
from monitoring.deployments.judging import judge_due
from monitoring.deployments.observing import observe, observe_missing
from monitoring.deployments.reporting import report

__all__ = ["absorb_instance", "absorb_route", "judge_due", "observe", "observe_missing", "report"]
