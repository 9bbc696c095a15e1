"""The files in ops/ with Debian's Prometheus: it scrapes a farm at work, draws, and would alert."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from farmyard import Farmyard, wait_until
from nasfarm.api import Farm
from nasfarm.core.nodes import Disk, Hold, NodeReport, Slot
from needs import needs_tool
from pictures import pictures
from scraped import answers, serving
from webhooks import free_port

pytestmark = pytest.mark.short

OPS = Path(__file__).parents[2] / "ops"
GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "monitoring.md"
PAGE = "http://127.0.0.1:8790/metrics"
RATE_S = "60s"
"""What $__rate_interval is in Grafana where Prometheus scrapes every 15 s."""

SCRAPE_S = 3
"""A scrape may take no longer, also where much else runs."""

CHUNKS = "farm_chunks_total"

CELLAR = NodeReport(
    "cellar", "b", "0.1.0", 1, ("home",), ("photos",), (Slot(0, (0,), 7, "ready"),),
    held=(Hold("pause", 1.0, "paused by hand"),), disks=(Disk("home", 5, 9),), temperature_c=51.5,
)  # fmt: skip
"""A second box, one with a sensor: the machine of the test may have none."""


def promtool(
    *arguments: object, given: str = "", folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    command = [needs_tool("promtool", "prometheus"), *map(str, arguments)]
    return subprocess.run(
        command, input=given, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of ops/prometheus, as the guide has the user make."""
    folder = tmp_path_factory.mktemp("prometheus") / "files"
    shutil.copytree(OPS / "prometheus", folder)
    return folder


def test_the_rules_alert_when_they_should_and_not_else(files: Path) -> None:
    tested = promtool("test", "rules", files / "farm.rules.test.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert promtool("check", "rules", files / "farm.rules.yml").returncode == 0


def test_the_configuration_is_right_with_and_without_a_login(files: Path) -> None:
    path = files / "prometheus.yml"
    for text in (path.read_text(), with_login(path.read_text())):
        (files / "farm-password").write_text("secret")
        tried = files / "tried.yml"
        tried.write_text(text)
        checked = promtool("check", "config", tried)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "WARN" not in checked.stdout + checked.stderr
    (job,) = yaml.safe_load(text)["scrape_configs"]
    assert job["basic_auth"] == {"username": "prometheus", "password_file": "farm-password"}


def test_the_guide_s_commands_find_no_fault(files: Path) -> None:
    commands = re.findall(r"^promtool (.*)$", GUIDE.read_text(), re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        checked = promtool(*command.split(), folder=files)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def with_login(text: str) -> str:
    """The configuration with the lines of the login in force, as the guide says."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if "basic_auth:" in line)
    return "\n".join(
        line.replace("# ", "", 1) if n >= start else line for n, line in enumerate(lines)
    )


@dataclass(frozen=True, slots=True)
class Scraped:
    """A farm that has run jobs, and the Prometheus that scrapes it."""

    yard: Farmyard
    page: str
    url: str
    ok: int = 0
    errors: int = 0

    def told(self) -> str:
        """What its page tells now."""
        with urllib.request.urlopen(self.page, timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def ask(self, path: str, **values: str) -> Any:
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(values)}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            told = json.load(answer)
        assert told["status"] == "success"
        return told["data"]

    def query(self, expression: str) -> list[Any]:
        """The series that an expression has now."""
        found: list[Any] = self.ask("query", query=expression)["result"]
        return found

    def await_series(self, expression: str) -> None:
        """Wait until the expression has one."""
        try:
            wait_until(lambda: self.query(expression) != [], 60, f"a series of {expression}")
        except AssertionError as error:
            (target,) = self.ask("targets")["activeTargets"]
            raise AssertionError(f"{error}; last scrape: {target}") from error


@pytest.fixture(scope="module")
def scraped(
    tmp_path_factory: pytest.TempPathFactory, cached_models: None, files: Path
) -> Iterator[Scraped]:
    prometheus = needs_tool("prometheus")
    yard = Farmyard(tmp_path_factory.mktemp("farm"), {"FARM_NODE": "nas"})
    page, port = free_port(), free_port()
    try:
        yard.ok("init")
        yard.up()
        with pytest.MonkeyPatch.context() as patch:
            for name, text in yard.environment().items():
                patch.setenv(name, text)
            farm = Farm(yard.home)
            with (
                reporting(farm),
                serving(yard, page),
                running(prometheus, files, page, port) as url,
            ):
                idle = Scraped(yard, f"http://127.0.0.1:{page}/metrics", url)
                # What was counted before the first scrape has no rate.
                idle.await_series(CHUNKS)
                done = work(yard)
                scraped = replace(idle, ok=done["ok"], errors=done["errors"])
                scraped.await_series(f"sum(rate({CHUNKS}[{RATE_S}])) > 0")
                yield scraped
    finally:
        yard.close()


def work(yard: Farmyard) -> Any:
    """Run a job in which two pictures are broken, over some scrapes."""
    photos = yard.home / "photos"
    pictures(photos, 200)
    for n in (7, 70):
        (photos / f"{n:04d}.jpg").write_bytes(b"\xff\xd8\xff broken")
    return yard.submit(photos, "--recipe", "detect")


@contextmanager
def reporting(farm: Farm) -> Iterator[None]:
    """The second box is there while the block runs."""
    over = threading.Event()

    def report() -> None:
        while not over.is_set():
            farm.broker.presence.report(CELLAR)
            over.wait(3)

    thread = threading.Thread(target=report)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def running(program: str, files: Path, page: int, port: int) -> Iterator[str]:
    """Prometheus with the project's own files, but for the port and more scrapes."""
    settings = yaml.safe_load((files / "prometheus.yml").read_text())
    settings["global"] = {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": "1s"}
    settings["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{page}"]
    config, url = files / "tried.yml", f"http://127.0.0.1:{port}"
    config.write_text(yaml.safe_dump(settings))
    log = files / "prometheus.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [program, f"--config.file={config}", f"--storage.tsdb.path={files / 'tsdb'}",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdout=out, stderr=out,
        )  # fmt: skip
    try:
        wait_until(lambda: answers(f"{url}/-/ready"), 30, "Prometheus is ready")
        yield url
    finally:
        process.terminate()
        assert process.wait(20) == 0, log.read_text()[-2000:]


def test_promtool_finds_no_fault_in_what_a_farm_tells(scraped: Scraped) -> None:
    checked = promtool("check", "metrics", given=scraped.told())
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_the_guide_shows_what_a_farm_tells(scraped: Scraped) -> None:
    command, shown = re.findall(r"```(?:shell|text)\n(.*?)\n```", GUIDE.read_text(), re.DOTALL)[:2]
    assert command == f"curl {PAGE}"
    told = without_numbers(scraped.told()).splitlines()
    assert [line for line in without_numbers(shown).splitlines() if line not in told] == []


def without_numbers(text: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "0", text)


def test_prometheus_has_counted_the_job_s_images(scraped: Scraped) -> None:
    for status, expected in (("ok", scraped.ok), ("error", scraped.errors)):
        total = f'sum(farm_images_total{{status="{status}"}})'
        wait_until(
            lambda total=total, expected=expected: (  # type: ignore[misc]
                [float(one["value"][1]) for one in scraped.query(total)] == [expected]
            ),
            20, total,
        )  # fmt: skip
    assert scraped.errors == 2


PANELS = [
    pytest.param(target["expr"], id=f"{panel['title']}, {target['refId']}")
    for panel in json.loads((OPS / "grafana" / "dashboards" / "farm.json").read_text())["panels"]
    for target in panel["targets"]
]


@pytest.mark.parametrize("expression", PANELS)
def test_every_panel_has_something_to_draw(scraped: Scraped, expression: str) -> None:
    series = scraped.query(expression.replace("$__rate_interval", RATE_S))
    assert [one for one in series if one["value"][1] != "NaN"] != []


def test_every_alert_is_evaluated_and_those_of_the_second_box_wait(scraped: Scraped) -> None:
    def rules() -> dict[str, Any]:
        (group,) = scraped.ask("rules")["groups"]
        return {rule["name"]: rule for rule in group["rules"]}

    wait_until(lambda: all(rule["health"] == "ok" for rule in rules().values()), 20, "evaluated")
    written = yaml.safe_load((OPS / "prometheus" / "farm.rules.yml").read_text())
    assert rules().keys() == {rule["alert"] for rule in written["groups"][0]["rules"]}
    waiting = {
        (name, alert["labels"].get("node"))
        for name, rule in rules().items() for alert in rule["alerts"]
        if alert["state"] == "pending"
    }  # fmt: skip
    assert {("FarmRootAway", "cellar"), ("FarmPausedLong", "cellar")} <= waiting
    assert not {name for name, _ in waiting} & {"FarmPageAway", "FarmBrokerAway", "FarmNodeAway"}


def test_grafana_s_files_belong_together() -> None:
    read = OPS / "grafana" / "provisioning"
    (source,) = yaml.safe_load((read / "datasources" / "farm.yml").read_text())["datasources"]
    dashboard = json.loads((OPS / "grafana" / "dashboards" / "farm.json").read_text())
    (variable,) = dashboard["templating"]["list"]
    assert variable["current"]["value"] == source["uid"]
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {"${datasource}"}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
