"""A rule to what Home Assistant must be told once, so that it shows the rule's notices.

Topics and keys: home-assistant.io/integrations/mqtt, binary_sensor.mqtt, sensor.mqtt, image.mqtt.
"""

from __future__ import annotations

from collections.abc import Mapping

from nasfarm.core import wire
from nasfarm.core.notices import NoticeRule

SHORTEST_ON_S = 30
"""A rule is shown as `on` at least so long after a notice …"""
PAST_COOLDOWN_S = 10
"""… and until its cooldown is well over, so that who stays in view is shown without a gap."""


def topic_of(prefix: str, recipe: str, rule: str) -> str:
    """Where a rule's notices go; its pictures go to `…/picture` below."""
    return f"{prefix}/{recipe}/{rule}"


def status_topic(prefix: str) -> str:
    """Where `online` and `offline` stand."""
    return f"{prefix}/status"


def configs(prefix: str, recipe: str, rule: NoticeRule) -> list[tuple[str, bytes]]:
    """Topic and payload of each thing to show: on/off, how many, and the picture if one is sent."""
    topic = topic_of(prefix, recipe, rule.name)
    on_s = max(SHORTEST_ON_S, int(rule.cooldown_s) + PAST_COOLDOWN_S)
    shown: list[tuple[str, str, str, Mapping[str, object]]] = [
        (
            "binary_sensor", "", "",
            {
                "state_topic": topic,
                "value_template": "{{ value_json.state }}",
                "off_delay": on_s,
                # Automations may want every notice, also while the sensor is on.
                "force_update": True,
                "json_attributes_topic": topic,
            },
        ),
        (
            "sensor", "_count", " count",
            {
                "state_topic": topic,
                "value_template": "{{ value_json.count }}",
                "state_class": "measurement",
                "force_update": True,
            },
        ),
    ]  # fmt: skip
    if rule.attach_kb:
        picture = {"image_topic": f"{topic}/picture", "content_type": "image/jpeg"}
        shown.append(("image", "_picture", " picture", picture))
    return [
        _config(prefix, kind, f"{recipe}_{rule.name}{ending}", f"{recipe} {rule.name}{said}", own)
        for kind, ending, said, own in shown
    ]


def _config(
    prefix: str, kind: str, object_id: str, name: str, own: Mapping[str, object]
) -> tuple[str, bytes]:
    node = prefix.replace("/", "_")
    payload = {
        "name": name,
        "unique_id": f"{node}_{object_id}",
        **own,
        "availability_topic": status_topic(prefix),
        "qos": 1,
        "device": {"identifiers": [node], "name": prefix, "manufacturer": "nasfarm"},
        "origin": {"name": "nasfarm"},
    }
    return f"homeassistant/{kind}/{node}/{object_id}/config", wire.encode(payload)
