"""A node's grace time to the parts of it after which work, slots and agent must have ended. Pure.

The whole is from the request to stop until nothing is left, the broker included. So work stops
first, then its process, then the agent, which returns the leases of what it had to kill.
"""

from __future__ import annotations


def of_work(grace_s: float) -> float:
    """Until then a chunk may go on; what is not done is handed back at its next step."""
    return max(0.0, grace_s - 4.0)


def of_slots(grace_s: float) -> float:
    """Then a slot's process is killed."""
    return max(grace_s - 2.0, grace_s * 0.8)


def of_agent(grace_s: float) -> float:
    """Then the agent is killed; the broker, which ends in a moment, has the rest.

    Below 5 s there is no such rest: more than the grace is better than leases left behind.
    """
    return of_slots(grace_s) + 1.0
