"""A supervisor with real children: brought back, stopped in order, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from nasfarm.nodes.process import LOG_BYTES, die_with_parent, spawn, stop
from nasfarm.nodes.supervisor import Child, Exit, Supervisor

SLEEPER = "import time; print('awake', flush=True); time.sleep(60)"
DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('awake', flush=True); time.sleep(60)"
)


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", code)


def wait_for(condition: Callable[[], object], timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Watched:
    """A supervisor in a thread of its own, and what it said."""

    def __init__(self, *children: Child) -> None:
        self.exits: list[Exit] = []
        self.order: list[str] = []
        self.ticks = 0
        self.todo: list[Callable[[Supervisor], None]] = []
        self.supervisor = Supervisor(
            children, on_exit=self._ended, tick=self._ticked, interval_s=0.05
        )
        self._thread = threading.Thread(target=self.supervisor.run, kwargs={"on_signals": False})
        self._thread.start()

    def _ended(self, child: Child, ended: Exit) -> None:
        self.order.append(child.name)
        self.exits.append(ended)

    def _ticked(self) -> None:
        self.ticks += 1
        while self.todo:
            self.todo.pop()(self.supervisor)

    def pid(self, name: str) -> int:
        wait_for(lambda: name in self.supervisor.pids())
        return self.supervisor.pids()[name]

    def stop(self, times: int = 1) -> None:
        for _ in range(times):
            self.supervisor.request_stop()
        self._thread.join(15.0)
        assert not self._thread.is_alive()


@pytest.fixture
def watch() -> Iterator[Callable[..., Watched]]:
    started: list[Watched] = []

    def start(*children: Child) -> Watched:
        started.append(Watched(*children))
        return started[-1]

    yield start
    for watched in started:
        watched.stop(times=2)


def awake(log_path: Path, times: int = 1) -> Callable[[], bool]:
    return lambda: log_path.exists() and log_path.read_text().count("awake") >= times


def test_a_killed_child_is_back_within_two_seconds(
    watch: Callable[..., Watched], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    watched = watch(Child("one", python(SLEEPER), log))
    for life in (1, 2, 3):
        wait_for(awake(log, life))
        before = time.monotonic()
        os.kill(watched.pid("one"), signal.SIGKILL)
        wait_for(awake(log, life + 1))
        assert time.monotonic() - before < 2.0


def test_a_child_that_keeps_dying_is_reported_with_status_last_lines_and_next_try(
    watch: Callable[..., Watched], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_text("a line of last year\n")
    watched = watch(Child("bad", python("print('disk is full'); raise SystemExit(3)"), log))
    wait_for(lambda: len(watched.exits) >= 3)
    assert [ended.retry_s for ended in watched.exits[:3]] == [0.0, 0.5, 1.0]
    third = watched.exits[2]
    assert (third.code, third.last_lines) == (3, ("disk is full",))
    for part in ("bad (process ", "exit status 3", "next start in 1 s", str(log), "disk is full"):
        assert part in str(third)


def test_a_child_ended_by_a_signal_is_reported_with_its_name(
    watch: Callable[..., Watched], tmp_path: Path
) -> None:
    watched = watch(Child("one", python(SLEEPER), tmp_path / "log"))
    wait_for(awake(tmp_path / "log"))
    os.kill(watched.pid("one"), signal.SIGABRT)
    wait_for(lambda: watched.exits)
    assert "was ended by SIGABRT" in str(watched.exits[0])


def test_a_program_that_does_not_exist_is_tried_again_and_named(
    watch: Callable[..., Watched], tmp_path: Path
) -> None:
    watched = watch(Child("gone", (str(tmp_path / "no-such-program"),), tmp_path / "log"))
    wait_for(lambda: watched.exits)
    assert watched.exits[0].code == 127
    assert "no-such-program: cannot be started: No such file" in str(watched.exits[0])


def test_children_get_their_environment_and_keep_ours(
    watch: Callable[..., Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "kept")
    code = f"import os; print(os.environ['OURS'], os.environ['THEIRS'], flush=True); {SLEEPER}"
    watch(Child("one", python(code), tmp_path / "log", env={"THEIRS": "added"}))
    wait_for(awake(tmp_path / "log"))
    assert (tmp_path / "log").read_text().startswith("kept added\n")


def test_higher_ranks_are_gone_before_lower_ones_are_asked(
    watch: Callable[..., Watched], tmp_path: Path
) -> None:
    slow = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), sys.exit(0)))\n" + SLEEPER
    )
    logs = [tmp_path / name for name in "abc"]
    watched = watch(
        Child("broker", python(SLEEPER), logs[0]),
        Child("agent", python(slow), logs[1], rank=1),
        Child("agent 2", python(SLEEPER), logs[2], rank=1),
    )
    wait_for(lambda: all(awake(log)() for log in logs))
    ticks = watched.ticks
    watched.stop()
    assert watched.order == ["agent 2", "agent", "broker"]
    assert [ended.retry_s for ended in watched.exits] == [None, None, None]
    assert watched.ticks > ticks + 3, "the heartbeat goes on while children stop"


@pytest.mark.parametrize(
    ("stops", "grace_s", "least_s", "most_s"),
    [
        pytest.param(1, 0.6, 0.5, 3.0, id="once: killed when the grace is over"),
        pytest.param(2, 30.0, 0.0, 2.0, id="twice: killed at once"),
    ],
)
def test_a_child_that_ignores_sigterm_is_killed(
    watch: Callable[..., Watched],
    tmp_path: Path,
    stops: int,
    grace_s: float,
    least_s: float,
    most_s: float,
) -> None:
    watched = watch(Child("deaf", python(DEAF), tmp_path / "log", grace_s=grace_s))
    wait_for(awake(tmp_path / "log"))
    pid = watched.pid("deaf")
    before = time.monotonic()
    watched.stop(times=stops)
    assert least_s <= time.monotonic() - before < most_s
    assert is_gone(pid)


def test_children_can_be_added_and_removed_while_it_runs(
    watch: Callable[..., Watched], tmp_path: Path
) -> None:
    watched = watch(Child("one", python(SLEEPER), tmp_path / "one"))
    watched.todo.append(lambda it: it.add(Child("two", python(SLEEPER), tmp_path / "two")))
    wait_for(awake(tmp_path / "two"))
    watched.todo.append(lambda it: it.remove("one"))
    wait_for(lambda: watched.order == ["one"])
    wait_for(lambda: set(watched.supervisor.pids()) == {"two"})
    assert watched.exits[0].retry_s is None


def test_a_removed_child_can_be_replaced_in_the_exit_callback(tmp_path: Path) -> None:
    def replace(child: Child, _ended: Exit) -> None:
        if child.log_path.name == "old":
            supervisor.add(Child("slot", python(SLEEPER), tmp_path / "new"))

    def tick() -> None:
        if awake(tmp_path / "new")():
            supervisor.request_stop()
        elif awake(tmp_path / "old")() and not removed:
            supervisor.remove("slot")
            removed.append("slot")

    removed: list[str] = []
    child = Child("slot", python(SLEEPER), tmp_path / "old")
    supervisor = Supervisor([child], on_exit=replace, tick=tick, interval_s=0.02)
    supervisor.run()
    assert awake(tmp_path / "new")()


def test_on_the_way_down_nothing_is_added(tmp_path: Path) -> None:
    """Whoever keeps as many children as are needed adds one with each turn of the loop."""

    def tick() -> None:
        if child.name not in supervisor.names():
            supervisor.add(child)
        if awake(tmp_path / "log")():
            turns.append(len(turns))
            if len(turns) in (1, 500):  # the second one ends what would go on for ever
                supervisor.request_stop()

    turns: list[int] = []
    child = Child("one", python(SLEEPER), tmp_path / "log")
    supervisor = Supervisor([], tick=tick, interval_s=0.02)
    supervisor.run()
    assert len(turns) < 500
    assert supervisor.names() == set()


def test_a_callback_that_raises_leaves_no_child_behind(tmp_path: Path) -> None:
    pids: list[int] = []

    def tick() -> None:
        if awake(tmp_path / "log")():
            pids.extend(supervisor.pids().values())
            raise RuntimeError("a broken heartbeat")

    supervisor = Supervisor([Child("one", python(SLEEPER), tmp_path / "log")], tick=tick)
    with pytest.raises(RuntimeError, match="broken heartbeat"):
        supervisor.run()
    assert len(pids) == 1
    assert is_gone(pids[0])


SUPERVISE = """
import sys
from pathlib import Path
from nasfarm.nodes.supervisor import Child, Supervisor
folder, program = Path(sys.argv[1]), (sys.executable, "-I", "-S", "-c", sys.argv[2])
children = [Child(name, program, folder / name) for name in ("one", "two")]
Supervisor(children).run()
"""


@pytest.fixture
def process_of_its_own(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(code: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-c", SUPERVISE, str(tmp_path), code]
        started.append(subprocess.Popen(argv))
        wait_for(lambda: awake(tmp_path / "one")() and awake(tmp_path / "two")())
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_no_child_outlives_a_killed_supervisor(
    process_of_its_own: Callable[[str], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    supervisor = process_of_its_own(SLEEPER)
    pids = [child.pid for child in psutil.Process(supervisor.pid).children()]
    assert len(pids) == 2
    supervisor.kill()
    supervisor.wait()
    wait_for(lambda: all(is_gone(pid) for pid in pids), timeout_s=1.0)


@pytest.mark.parametrize(
    ("code", "signals"),
    [
        pytest.param(SLEEPER, [signal.SIGTERM], id="terminated"),
        pytest.param(SLEEPER, [signal.SIGINT], id="interrupted"),
        pytest.param(DEAF, [signal.SIGINT, signal.SIGINT], id="deaf children, second Ctrl-C"),
    ],
)
def test_signals_end_the_supervisor_in_good_order(
    process_of_its_own: Callable[[str], subprocess.Popen[bytes]],
    code: str,
    signals: list[signal.Signals],
) -> None:
    supervisor = process_of_its_own(code)
    pids = [child.pid for child in psutil.Process(supervisor.pid).children()]
    for number in signals:
        supervisor.send_signal(number)
        time.sleep(0.4)
    assert supervisor.wait(3.0) == 0
    assert all(is_gone(pid) for pid in pids)


def test_a_child_whose_parent_went_before_the_leash_exits_at_once() -> None:
    pid = os.fork()
    if pid == 0:
        die_with_parent(parent=1 if os.getppid() != 1 else 2)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 75


def test_a_ctrl_c_of_the_terminal_reaches_the_supervisor_alone(tmp_path: Path) -> None:
    process = spawn(python(SLEEPER), tmp_path / "log")
    try:
        assert os.getpgid(process.pid) != os.getpgid(0)
        assert os.getsid(process.pid) == os.getsid(0)
    finally:
        assert stop(process) == -signal.SIGTERM


def test_stop_kills_what_does_not_listen(tmp_path: Path) -> None:
    process = spawn(python(DEAF), tmp_path / "log")
    wait_for(awake(tmp_path / "log"))
    assert stop(process, grace_s=0.2) == -signal.SIGKILL


def test_a_log_that_has_grown_large_begins_anew_with_the_next_start(
    watch: Callable[..., Watched], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"long ago\n" * (LOG_BYTES // 8))
    watched = watch(Child("bad", python("raise SystemExit('disk is full')"), log))
    wait_for(lambda: watched.exits)
    assert watched.exits[0].last_lines == ("disk is full",)
    assert log.stat().st_size < 1000 < (tmp_path / "log.1").stat().st_size
