"""A broker's address to the Celery app of both sides: one set of queue and transport settings."""

from __future__ import annotations

from typing import Any

from celery import Celery


def create_celery(url: str, *, patient: bool = True) -> Celery:
    """A Celery app without tasks. Messages are hints: acknowledged at once, mended elsewhere.

    patient: try a broker that is away again, for some 6 s.
    """
    app = Celery("nasfarm", broker=url, set_as_current=False)
    app.conf.update(SETTINGS)
    if not patient:
        options = SETTINGS["broker_transport_options"]
        app.conf.broker_transport_options = {**options, "max_retries": 0}
    return app


SETTINGS: dict[str, Any] = {
    # A hint may be lost or doubled: the lease decides, the reconciler hints again (ADR 1).
    "task_acks_late": False,
    "task_ignore_result": True,
    "result_backend": None,
    "task_serializer": "json",
    "accept_content": ["json"],
    "worker_prefetch_multiplier": 1,
    # A busy worker leaves hints in the queue, where another can take them.
    "worker_disable_prefetch": True,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "task_create_missing_queues": True,
    "worker_hijack_root_logger": False,
    "worker_send_task_events": True,
    "broker_transport_options": {
        "priority_steps": [0],
        "queue_order_strategy": "nasfarm.broker.queue_order:UrgentFirst",
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "visibility_timeout": 21600,
    },
}
