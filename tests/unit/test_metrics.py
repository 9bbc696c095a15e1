"""What Prometheus is told: its grammar, every series from the start, and a bound on all of them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from nasfarm.broker.client import Broker
from nasfarm.core.nodes import Disk, Hold, NodeReport, Slot
from nasfarm.core.tallies import Tally, of_chunk, of_images
from nasfarm.web.families import MOST, Known, always, depth_of, families
from nasfarm.web.metrics import Told, exposition

TOP = Path(__file__).parents[2]
MODELS = ("nanodet-g@1/fp32", "nanodet-g@1/int8")
NAS = NodeReport(
    "nas", "b", "1", 1, ("home",), ("photos",), (Slot(0, (0,), 7, "ready"), Slot(1, (1,))),
    held=(Hold("drain", 1.0, "drained"),), disks=(Disk("home", 3, 10),), temperature_c=44.5,
)  # fmt: skip
KNOWN = Known(
    nodes=(NAS,), away=("old",), tallies={"nas": Tally(), "old": Tally()}, models=MODELS,
    recipes=("detect",), depths=dict.fromkeys(depth_of(["home"]), 0),
)  # fmt: skip


def parsed(told: Iterable[Metric]) -> dict[str, Metric]:
    """Families as a reader of the text has them, by name."""
    registry = CollectorRegistry()
    registry.register(Told(list(told)))
    text = generate_latest(registry).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(told: dict[str, Metric], sample: str, **labels: str) -> float:
    """The one sample of that name with those labels."""
    every = (each for family in told.values() for each in family.samples)
    (found,) = [each for each in every if each.name == sample and each.labels == labels]
    return found.value


def every() -> dict[str, Metric]:
    return parsed([*always("1", broker_up=True), *families(KNOWN)])


def test_images_are_there_as_0_from_the_start_for_every_node_model_and_status() -> None:
    told = every()
    images = [
        (each.labels["status"], each.labels["model"], each.labels["node"], each.value)
        for each in told["farm_images"].samples
    ]
    assert sorted(images) == sorted(
        (status, model, node, 0)
        for status in ("ok", "error") for model in MODELS for node in ("nas", "old")
    )  # fmt: skip
    assert value(told, "farm_stage_seconds_count", stage="read", node="nas") == 0
    assert value(told, "farm_notices_total", kind="mqtt", outcome="failed") == 0
    assert value(told, "farm_files_taken_total", recipe="detect") == 0


def test_what_was_counted_is_told() -> None:
    ran = of_chunk({"session": 3.2}, 32, {MODELS[0]: [16, 16]}) + of_images(MODELS[0], 31, 1)
    told = parsed(families(Known(tallies={"nas": ran}, models=MODELS)))
    labels = {"model": MODELS[0], "node": "nas"}
    assert value(told, "farm_images_total", status="ok", **labels) == 31
    assert value(told, "farm_images_total", status="error", **labels) == 1
    assert value(told, "farm_stage_seconds_sum", stage="session", node="nas") == 0.1
    assert value(told, "farm_stage_seconds_bucket", stage="session", node="nas", le="0.05") == 0
    assert value(told, "farm_stage_seconds_bucket", stage="session", node="nas", le="0.1") == 1
    assert value(told, "farm_batch_size_bucket", **labels, le="16.0") == 2
    assert value(told, "farm_batch_size_sum", **labels) == 32


def test_a_node_is_told_with_all_that_holds_it() -> None:
    told = every()
    assert value(told, "farm_node_up", node="nas") == 1
    assert value(told, "farm_node_up", node="old") == 0
    held = {each.labels["reason"]: each.value for each in told["farm_paused"].samples}
    assert held == {"pause": 0, "drain": 1, "storage": 0}
    assert value(told, "farm_root_ok", node="nas", root="home") == 1
    assert value(told, "farm_root_ok", node="nas", root="photos") == 0
    assert value(told, "farm_slots", node="nas", state="ready") == 1
    assert value(told, "farm_slots", node="nas", state="restarting") == 0
    assert value(told, "farm_disk_free_bytes", node="nas", disk="home") == 3
    assert value(told, "farm_temperature_celsius", node="nas") == 44.5


def test_a_node_of_an_older_release_is_paused_for_its_storage() -> None:
    old = NodeReport("nas", "b", "0", 1, (), (), (), paused="the disk is full.")
    told = parsed(families(Known(nodes=(old,))))
    assert value(told, "farm_paused", node="nas", reason="storage") == 1


def test_a_reason_of_a_newer_release_is_told_too() -> None:
    new = NodeReport("nas", "b", "2", 1, (), (), (), held=(Hold("heat", 1.0, "too hot"),))
    told = parsed(families(Known(nodes=(new,))))
    assert value(told, "farm_paused", node="nas", reason="heat") == 1
    assert value(told, "farm_paused", node="nas", reason="storage") == 0


def test_names_of_users_are_told_as_they_are() -> None:
    strange = 'a"b\\c\n<script>'
    known = Known(nodes=(NodeReport(strange, "b", "1", 1, (strange,), (), ()),))
    assert value(parsed(families(known)), "farm_root_ok", node=strange, root=strange) == 1


def test_what_no_model_of_the_home_did_is_left_out() -> None:
    foreign = of_images("gone@1/fp32", 5, 0) + of_chunk({"dream": 1.0}, 1, {"gone@1/fp32": [1]})
    known = Known(tallies={"nas": foreign}, models=MODELS, recipes=("detect",))
    labels = {each.labels.get("model") for each in parsed(families(known))["farm_images"].samples}
    assert labels == set(MODELS)


def test_however_many_roots_there_are_some_are_told() -> None:
    roots = tuple(f"r{n:04d}" for n in range(5 * MOST))
    known = Known(
        nodes=(NodeReport("nas", "b", "1", 1, roots, (), ()),),
        depths=dict.fromkeys(depth_of(roots), 0),
    )
    told = parsed(families(known))
    assert len(told["farm_root_ok"].samples) == MOST
    assert len(told["farm_queue_hints"].samples) == 3 * MOST


def test_without_a_broker_it_says_so_at_once() -> None:
    begun = time.monotonic()
    text = exposition(None, Broker("redis://127.0.0.1:1", 30)).decode()
    assert time.monotonic() - begun < 2
    told = {family.name: family for family in text_string_to_metric_families(text)}
    assert set(told) == {"farm_build_info", "farm_broker_up"}
    assert value(told, "farm_broker_up") == 0


# -- what is written about them ---------------------------------------------------------------


def shown_names() -> dict[str, set[str]]:
    """Every name that a query may use, as the guide has it, and the labels it comes with."""
    found: dict[str, set[str]] = {}
    for family in every().values():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = {label for each in family.samples for label in each.labels} - {"le"}
    return found


def test_the_guide_lists_every_metric_with_its_labels() -> None:
    page = (TOP / "docs" / "guide" / "monitoring.md").read_text()
    rows = re.findall(r"^\| `(farm_\w+)` \| ([^|]*)\|", page, re.MULTILINE)
    listed = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    assert listed == shown_names()


def used_in(expressions: Iterable[str]) -> set[str]:
    found = {name for one in expressions for name in re.findall(r"\bfarm_\w+", one)}
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


def rules() -> list[Any]:
    text = (TOP / "ops" / "prometheus" / "farm.rules.yml").read_text()
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def test_alerts_and_dashboard_ask_for_metrics_that_there_are() -> None:
    dashboard = json.loads((TOP / "ops" / "grafana" / "dashboards" / "farm.json").read_text())
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    alerts = [rule["expr"] for rule in rules()]
    assert panels and alerts
    assert used_in([*panels, *alerts]) <= shown_names().keys()
    left = shown_names().keys() - used_in(panels)
    assert left == set(), "every metric has a panel"


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_is_wrong_and_what_mends_it(rule: Any) -> None:
    assert set(rule["annotations"]) == {"summary", "description"}
    said = rule["annotations"]["description"]
    assert re.search(r"`(farm|docker) \w+", said) or "by itself" in said
    tests = yaml.safe_load((TOP / "ops" / "prometheus" / "farm.rules.test.yml").read_text())
    tested = json.dumps(tests)
    assert rule["alert"] in tested, "it has no test"
