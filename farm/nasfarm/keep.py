"""THE KEEPING FLOW: broker, node agent and what is beside them, kept until a stop. Only calls."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from nasfarm.broker import embedded
from nasfarm.broker.client import Broker
from nasfarm.core.nodes import NodeReport
from nasfarm.errors import BrokerError, RejectError, RetryError
from nasfarm.nodes.grace import of_agent
from nasfarm.nodes.supervisor import Child, Exit, Supervisor
from nasfarm.storage.locked import holder, sole
from nasfarm.storage.mounts import require_local

BROKER = "broker"
"""Name of the embedded server's child, and of its folder in the state folder."""

OVERTIME_S = 15.0
"""What is still there so long after its grace time is stuck: `farm down` gives up waiting."""

MONITORS = {"serve": "the status page", "flower": "Flower"}
"""Commands that show what the farm does, and what people call that."""
MONITOR_GRACE_S = 3.0
"""They hold no work; they only save what they know."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What `farm up` runs beside broker and agent."""

    watch: bool = True
    flower: bool = True
    page: bool = True

    @property
    def monitors(self) -> list[str]:
        """The commands of MONITORS that are run."""
        return [*(["serve"] * self.page), *(["flower"] * self.flower)]

    @property
    def left_out(self) -> list[str]:
        """The options of `farm up` that say so."""
        wanted = (
            ("--no-watch", self.watch),
            ("--no-flower", self.flower),
            ("--no-page", self.page),
        )
        return [option for option, there in wanted if not there]


def lock_file(state_dir: Path) -> Path:
    return state_dir / "run" / "up.pid"


def keep_up(
    home: Path,
    state_dir: Path,
    beside: Beside,
    *,
    embed: bool,
    grace_s: float,
    said: Callable[[str], None],
    tick: Callable[[], None],
) -> None:
    """Run broker (where `embed`), agent and what is `beside` them; returns when it was told to stop
    and all are gone.

    grace_s: from then on all of them have so long.
    Raises RejectError where a farm runs on `state_dir` already.
    """
    logs = state_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with sole(lock_file(state_dir), "the farm"):
        children = [agent_child(home, logs, grace_s)]
        if beside.watch:
            children.append(watcher_child(home, logs, grace_s))
        children += [monitor_child(command, home, logs) for command in beside.monitors]
        if embed:
            children.insert(0, broker_child(embedded.prepare(state_dir / BROKER)))
        Supervisor(children, on_exit=teller(state_dir, said), tick=tick).run()


def keep_broker(
    state_dir: Path, host: str, port: int, password: str | None, said: Callable[[str], None]
) -> None:
    """Run the embedded server as a service of its own; returns when it was told to stop.

    Raises RejectError as `embedded.prepare`, and where `state_dir` cannot hold its state.
    """
    require_local(state_dir)
    broker = embedded.prepare(state_dir / BROKER, port, host, password)
    said(f"The broker listens on {host}, port {port}. Its log: {broker.log_path}")
    Supervisor([broker_child(broker)], on_exit=teller(state_dir, said)).run()


def teller(state_dir: Path, said: Callable[[str], None]) -> Callable[[Child, Exit], None]:
    """What to do when a child ends: say so; state the broker could not load is set aside."""
    told: dict[str, tuple[str, ...]] = {}

    def ended(child: Child, end: Exit) -> None:
        # A monitor whose address is taken is tried again for ever, and says the same each time.
        again = child.name in MONITORS and told.get(child.name) == end.last_lines
        if end.retry_s is not None and not again:
            told[child.name] = end.last_lines
            said(str(end))
        if child.name == BROKER:
            aside = embedded.set_aside_damaged(state_dir / BROKER, end.code, end.last_lines)
            if aside is not None:
                said(f"The broker could not load its state, now in {aside}; jobs are unharmed.")

    return ended


def broker_child(broker: embedded.EmbeddedBroker) -> Child:
    """The embedded server; it goes last, so that workers can still give back what they hold."""
    return Child(
        name=BROKER,
        argv=broker.argv,
        log_path=broker.log_path,
        pass_fds=(broker.lock_fd,),
        rank=0,
    )


def agent_child(home: Path, logs: Path, grace_s: float) -> Child:
    """The node agent. Where this process is killed, it goes at once, and its slots with it."""
    return Child(
        name="agent",
        argv=(sys.executable, "-m", "nasfarm", "--home", str(home), "worker"),
        log_path=logs / "agent.log",
        death_signal=signal.SIGKILL,
        grace_s=of_agent(grace_s),
        rank=1,
    )


def watcher_child(home: Path, logs: Path, grace_s: float) -> Child:
    """The drop folder's watcher. What it was about to take, the next one takes."""
    return Child(
        name="watcher",
        argv=(sys.executable, "-m", "nasfarm", "--home", str(home), "watch"),
        log_path=logs / "watch.log",
        death_signal=signal.SIGKILL,
        grace_s=of_agent(grace_s),
        rank=1,
    )


def monitor_child(command: str, home: Path, logs: Path) -> Child:
    """One of MONITORS: nobody's work waits for it."""
    return Child(
        name=command,
        argv=(sys.executable, "-m", "nasfarm", "--home", str(home), command),
        log_path=logs / f"{command}.log",
        grace_s=MONITOR_GRACE_S,
        rank=1,
    )


def monitor_file(state_dir: Path, command: str) -> Path:
    """What a monitor holds while it listens."""
    return state_dir / "run" / f"{command}.pid"


def name_taken(other: NodeReport, node_file: Path) -> RejectError:
    """Why this machine cannot be a node as it is called, and what to do."""
    return RejectError(
        f"another box of this farm is called '{other.node}' too (it reported {other.age_s:.0f} s "
        "ago), and two nodes of one name would hand on each other's work. Give this one a name of "
        f"its own, as the line `node: NAME` in {node_file}, and start it again.",
        code="node",
    )


def missing(broker: Broker, node: str) -> str:
    """What does not answer yet; empty once the broker and every slot of this node do."""
    try:
        here = [report for report in broker.presence.alive() if report.node == node]
    except BrokerError as error:
        return str(error)
    if not here:
        return "the node agent has not reported yet"
    waiting = [slot for slot in here[0].slots if slot.state != "ready"]
    return ", ".join(f"slot {slot.number} is {slot.state}" for slot in waiting)


def ready_node(broker: Broker, node: str, state_dir: Path) -> NodeReport | None:
    """This node's report once everything answers; None until then."""
    if missing(broker, node):
        return None
    # The agent that runs now, not an earlier one whose last report is still there.
    agent = holder(state_dir / "run" / "agent.pid")
    reports = broker.presence.alive()
    return next((one for one in reports if one.node == node and one.pid == agent), None)


def running(state_dir: Path) -> int | None:
    """The pid of the farm that runs on `state_dir`; None where none does."""
    return holder(lock_file(state_dir))


def stop(state_dir: Path, timeout_s: float) -> bool:
    """Stop the farm that runs on `state_dir`; False where none does. Raises RetryError."""
    pid = running(state_dir)
    if pid is None:
        return False
    with suppress(psutil.NoSuchProcess):  # it has just ended by itself
        process = psutil.Process(pid)
        process.terminate()
        deadline = time.monotonic() + timeout_s
        # Not only until it lets go of its lock: whoever is told that it is down may pull the plug.
        # Where nobody reaps, as in a container without an init, a process stays a zombie.
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() >= deadline:
                raise RetryError(f"the farm (process {pid}) has not stopped after {timeout_s:g} s.")
            time.sleep(0.05)
    return True
