"""The scripts in Redis follow the pure rules of leases, on random histories."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from farmyard import wait_until
from nasfarm.broker import connection, embedded
from nasfarm.broker.deadlines import Deadlines
from nasfarm.broker.leases import Leases
from nasfarm.broker.rates import MEMORY_S, RATES, Rates, Timed, work_of
from nasfarm.core import lease_rules, wire
from nasfarm.core.lease_rules import Cause, Held
from nasfarm.core.leases import Lease, Refusal
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.nodes.process import spawn, stop

JOB = "detect-0"
LEASE_S = 1000.0
ITEMS = st.integers(0, 3)
NOW_MS, LONG_MS = 10, 100
"""The rules' own clock stands still; in Redis a lease is long enough for the whole test."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    broker = embedded.prepare(tmp_path_factory.mktemp("broker"))
    process = spawn(broker.argv, broker.log_path, pass_fds=(broker.lock_fd,))
    try:
        embedded.ready(broker.url, 10)
        with connection.connect(broker.url) as client:
            yield client
    finally:
        stop(process)
        broker.release()


class Histories(RuleBasedStateMachine):
    """One chunk's lease in Redis and by the rules, side by side."""

    client: redis.Redis

    def __init__(self) -> None:
        super().__init__()
        self.leases = Leases(self.client, LEASE_S)
        self.leases.forget(JOB)
        self.leases.register(JOB, 5)
        self.held: Held | None = None
        self.granted: list[Lease] = []
        self.fences: set[str] = set()

    def stored(self) -> Held | None:
        text = self.client.hget(f"farm:leases:{JOB}", "3")
        return None if text is None else wire.decode(Held, str(text).encode(), "test")

    @rule(worker=st.sampled_from(["slot0.1", "slot1.2"]))
    def claim(self, worker: str) -> None:
        answer = self.leases.claim(JOB, 3, "nas", "boot", worker)
        self.held = lease_rules.settled(self.held, NOW_MS)
        if lease_rules.is_leased(self.held, NOW_MS):
            assert answer is Refusal.LEASED
        elif lease_rules.is_dead(self.held):
            assert answer is Refusal.DEAD
        else:
            assert isinstance(answer, Lease)
            assert answer.held.fence not in self.fences, "a fence was issued twice"
            self.fences.add(answer.held.fence)
            self.granted.append(answer)
            fence = answer.held.fence
            self.held = lease_rules.claimed(
                self.held, NOW_MS, LONG_MS, fence, "nas", "boot", worker
            )

    @rule(which=st.integers(0, 9), item=st.none() | ITEMS)
    def renew(self, which: int, item: int | None) -> None:
        if (lease := self.picked(which)) is None or self.held is None:
            return
        after = lease_rules.renewed(self.held, lease.held.fence, NOW_MS, LONG_MS, item)
        assert self.leases.renew(lease, item) == (after is not None)
        self.held = after or self.held

    @rule(which=st.integers(0, 9))
    def give_back(self, which: int) -> None:
        if (lease := self.picked(which)) is not None and self.held is not None:
            after = lease_rules.given_back(self.held, lease.held.fence)
            assert self.leases.give_back(lease) == (after is not self.held)
            self.held = after

    @rule(
        which=st.integers(0, 9), cause=st.sampled_from(Cause), said=st.sampled_from(["", "SIGSEGV"])
    )
    def lose(self, which: int, cause: Cause, said: str) -> None:
        if (lease := self.picked(which)) is not None and self.held is not None:
            after = lease_rules.lost(self.held, lease.held.fence, cause, said)
            assert self.leases.lost(lease, cause, said) == (after is not self.held)
            self.held = after

    @rule()
    def time_passes(self) -> None:
        """The lease runs out: done by hand, as nobody waits for it."""
        stored = self.stored()
        if stored is not None and self.held is not None and stored.until_ms:
            document = wire.plain(replace(stored, until_ms=1))
            if stored.in_flight is None:
                del document["in_flight"]
            self.client.hset(f"farm:leases:{JOB}", "3", wire.encode(document))
            self.held = replace(self.held, until_ms=1)

    @invariant()
    def both_say_the_same(self) -> None:
        stored = self.stored()
        if stored is None or self.held is None:
            assert stored is None and self.held is None
            return
        assert bool(stored.until_ms) == bool(self.held.until_ms)
        assert replace(stored, until_ms=0) == replace(self.held, until_ms=0)

    def picked(self, which: int) -> Lease | None:
        """A lease that was granted at some time: the latest, or one that is long lost."""
        return self.granted[-1 - which % len(self.granted)] if self.granted else None


def test_redis_follows_the_rules(client: redis.Redis) -> None:
    class OnThisServer(Histories):
        pass

    OnThisServer.client = client
    run_state_machine_as_test(
        OnThisServer, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )


def test_the_pace_of_work_is_averaged_over_seconds_and_a_repeated_chunk_does_not_count(
    client: redis.Redis,
) -> None:
    leases = Leases(client, LEASE_S)
    leases.register("pace-0", 9)

    def rate_after(chunk: int, images: int, seconds: float) -> float:
        timed = Timed("detect nanodet-g@1/int8", "nas", images, seconds)
        leases.done("pace-0", chunk, "photos", images, 0, worked=True, timed=timed)
        return float(str(client.hget(RATES, timed.work)))

    assert rate_after(0, 40, 2.0) == 20.0
    assert rate_after(1, 240, MEMORY_S) == 30.0  # 40 a second, as long as all that is remembered
    assert rate_after(1, 240, MEMORY_S) == 30.0
    assert rate_after(2, 1, 0.01) == pytest.approx(30.0, rel=0.01)  # a single image says little
    leases.done("pace-0", 3, "photos", 0, 5, worked=True)
    assert client.hlen(RATES) == 1
    assert leases.pace("pace-0").images_per_slot_s == pytest.approx(281 / 8.01, abs=0.01)
    leases.forget("pace-0")


def test_a_node_has_a_pace_of_its_own_and_goes_as_all_until_it_has(client: redis.Redis) -> None:
    leases, rates = Leases(client, LEASE_S), Rates(client)
    recipe = ResolvedRecipe("pace", "detect", (), {}, 16, 0)
    leases.register("pace-1", 9)
    assert rates.on(["fast", "slow"], recipe) == {}
    for chunk, (node, images) in enumerate([("fast", 40), ("slow", 10)]):
        timed = Timed(work_of(recipe), node, images, MEMORY_S)
        leases.done("pace-1", chunk, "photos", images, 0, worked=True, timed=timed)
    found = rates.on(["fast", "slow", "new"], recipe)
    assert found["new"] == rates.of(recipe) == pytest.approx(25 / MEMORY_S, rel=0.01)
    assert found["fast"] == pytest.approx(40 / MEMORY_S, rel=0.01)
    assert found["slow"] == pytest.approx(10 / MEMORY_S, rel=0.01)
    leases.forget("pace-1")


def test_what_deadlines_ask_holds_until_something_else_is_said_or_nobody_says_it_again(
    client: redis.Redis,
) -> None:
    deadlines = Deadlines(client)
    deadlines.tell({"nas": 2, "other": 1}, {"detect-1": 17.5}, for_s=60)
    assert deadlines.slots() == {"nas": 2, "other": 1}
    assert deadlines.soonest_s("detect-1") == 17.5
    deadlines.tell({"nas": 3}, {}, for_s=1)
    assert deadlines.slots() == {"nas": 3}
    assert deadlines.soonest_s("detect-1") is None
    wait_until(lambda: deadlines.slots() == {}, 3)
