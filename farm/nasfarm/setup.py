"""A machine without a farm to one with a home, models, and a running broker and agent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nasfarm import keep, log, upgrade
from nasfarm.api import Farm
from nasfarm.config import Settings
from nasfarm.core.items import HOME_ROOT
from nasfarm.core.nodes import NodeReport
from nasfarm.errors import BrokerError, FarmError, RejectError, RetryError
from nasfarm.keep import Beside
from nasfarm.nodes.cores import place_here
from nasfarm.nodes.identity import node_id
from nasfarm.nodes.process import rotate
from nasfarm.nodes.roots import record
from nasfarm.recipe_specs import specs
from nasfarm.storage.atomic import storage_errors, write_file
from nasfarm.storage.locked import holder
from nasfarm.storage.mounts import require_local

WATCHER_S = 3.0
"""A watcher takes a second to start."""
MONITORS_S = 5.0
"""Flower takes two."""

FARM_YML = """\
# Settings shared by every machine of this farm; only what differs from the defaults.
# What is one machine's own (its roots, passwords, number of slots) stands in its node.yml.
"""


def make_home(settings: Settings) -> bool:
    """Make the home's folders where they are missing; False where a home was there already.

    Raises RejectError where the state folder is on a network share, or a newer release has made the
    home; StorageError.
    """
    require_local(settings.state_dir)
    upgrade.refuse_newer(settings.home)
    made = not settings.farm_file.exists()
    with storage_errors(settings.home):
        settings.home.mkdir(parents=True, exist_ok=True)
    # First of all: an empty mount point of a home that is away must not become a new home.
    record(settings.state_dir, HOME_ROOT, settings.home)
    if made and not settings.jobs_folder.exists():
        upgrade.begin(settings.home)
    with storage_errors(settings.home):
        for name in ("jobs", "models", "recipes", "nodes"):
            (settings.home / name).mkdir(exist_ok=True)
    if made:
        write_file(settings.farm_file, FARM_YML.encode())
    return made


def pull_models(home: Path, *, quiet: bool) -> None:
    """Put the built-in recipes' models into the home, by the command of the models part.

    Raises RejectError or RetryError as that command does; it has said why by then.
    """
    recipes = [specs.load(None, name) for name in specs.names(None)]
    names = sorted({stage.model for recipe in recipes for stage in recipe.stages})
    farm_models(home, ["pull", *names], quiet=quiet)


def farm_models(home: Path, arguments: list[str], *, quiet: bool) -> bytes:
    """Run `farm models …` as a process and return its stdout: nasfarm never imports that side."""
    command = [sys.executable, "-m", "nasfarm", "--home", str(home), "models", *arguments]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE if quiet else None, check=False
    )
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode(errors="replace").strip() if quiet else "see above"
    error = RejectError if done.returncode == 2 else RetryError
    raise error(f"`farm models {' '.join(arguments)}` did not succeed: {said}", code="model")


def up(farm: Farm, say: Callable[[str], None], beside: Beside) -> None:
    """Run the whole farm in this process's terminal until Ctrl-C or `farm down`."""
    settings = farm.settings
    check_can_run(farm)
    log.setup(settings.log_level, settings.logs_folder / "up.jsonl")
    told = False
    next_look = 0.0

    def tick() -> None:
        nonlocal told, next_look
        if told or time.monotonic() < next_look:
            return
        next_look = time.monotonic() + 0.5
        report = ready_node(settings)
        if report is not None:
            told = True
            say(f"The farm is up on {report.node}: {len(report.slots)} slots. Ctrl-C stops it.")
            if report.paused:
                say(f"It takes no work: {report.paused}")

    embed = settings.broker_url is None
    keep.keep_up(
        settings.home, settings.state_dir, beside, embed=embed, grace_s=settings.grace_s,
        said=say, tick=tick,
    )  # fmt: skip


def check_can_run(farm: Farm) -> None:
    """Raise RejectError, with what to do, where a farm cannot run here as it is set up."""
    settings = farm.settings
    require_local(settings.state_dir)
    _ = farm.home  # says so where there is none yet
    place_here(settings.cores_wanted)
    if settings.broker_url:  # an embedded one does not run yet: the agent asks it
        with suppress(BrokerError):
            other = farm.broker.presence.namesake(settings.node, node_id(settings.state_dir))
            if other is not None:
                raise keep.name_taken(other, settings.node_file)


def ready_node(settings: Settings) -> NodeReport | None:
    """This machine's report once broker and every slot answer; None until then."""
    try:
        return keep.ready_node(Farm(settings.home).broker, settings.node, settings.state_dir)
    except FarmError:
        return None


def start_detached(farm: Farm, timeout_s: float, beside: Beside) -> NodeReport:
    """Start the farm beside this process, as `up`, and return once everything answers.

    Raises RejectError where one runs already; RetryError, naming what does not answer, where it
    is not up in time: then it is stopped again.
    """
    settings = farm.settings
    check_can_run(farm)
    running = keep.running(settings.state_dir)
    if running is not None:
        raise RejectError(f"the farm is running already (process {running}). Stop it: farm down")
    settings.logs_folder.mkdir(parents=True, exist_ok=True)
    log_path = settings.logs_folder / "up.log"
    rotate(log_path)
    with open(log_path, "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "nasfarm", "--home", str(settings.home), "up",
             *beside.left_out],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        report = await_ready(settings, process, log_path, timeout_s)
    except BaseException:
        process.terminate()
        process.wait(settings.grace_s + keep.OVERTIME_S)
        raise
    if beside.watch:
        await_watcher(farm)
    return report


def await_watcher(farm: Farm) -> None:
    """Wait a little until what is dropped is taken; a watcher that was killed is waited for longer
    by the next one, and nobody has to wait for that.
    """
    deadline = time.monotonic() + WATCHER_S
    with suppress(BrokerError):
        while not farm.broker.leases.is_led("watcher") and time.monotonic() < deadline:
            time.sleep(0.1)


def monitors(settings: Settings, beside: Beside) -> list[str]:
    """Wait a little for the status page and Flower; a line for each: where it is, or why not."""
    listen = {"serve": settings.web_listen, "flower": settings.flower_listen}
    deadline = time.monotonic() + MONITORS_S
    lines = []
    for command in beside.monitors:
        name, file = keep.MONITORS[command], keep.monitor_file(settings.state_dir, command)
        while holder(file) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        if holder(file) is None:
            log_path = settings.logs_folder / f"{command}.log"
            why = f"why stands in {log_path}"
            lines.append(f"{name} does not answer yet at {listen[command]}; {why}")
        else:
            lines.append(f"{name}: http://{listen[command]}/")
    return [line[0].upper() + line[1:] for line in lines]


def await_ready(
    settings: Settings, process: subprocess.Popen[bytes], log_path: Path, timeout_s: float
) -> NodeReport:
    """Wait for a farm that was just started. Raises RetryError with what does not answer."""
    deadline = time.monotonic() + timeout_s
    while True:
        report = ready_node(settings)
        if report is not None:
            return report
        if process.poll() is not None:
            said = log_path.read_text(errors="replace").strip().splitlines()[-1:]
            raise RetryError(f"the farm ended while starting: {''.join(said)} (log: {log_path})")
        if time.monotonic() >= deadline:
            lacking = what_is_missing(settings)
            shown = log_path.read_text(errors="replace").strip()[-600:]
            raise RetryError(
                f"not up after {timeout_s:g} s: {lacking} (logs: {log_path.parent}). {shown}"
            )
        time.sleep(0.1)


def what_is_missing(settings: Settings) -> str:
    """What of this machine's farm does not answer, in words."""
    try:
        return keep.missing(Farm(settings.home).broker, settings.node)
    except FarmError as error:
        return str(error)


def user_folder(variable: str, default: str) -> Path:
    """A folder of the XDG base directory specification, e.g. XDG_STATE_HOME or ~/.local/state."""
    said = os.environ.get(variable, "")
    return Path(said) if said.startswith("/") else Path.home() / default


def is_running(state_dir: Path) -> bool:
    """Whether a farm runs on `state_dir` now."""
    return keep.running(state_dir) is not None
