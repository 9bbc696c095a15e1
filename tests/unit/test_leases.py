"""The rules of a lease: who may have it, who is blamed, and that it comes to an end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nasfarm.core.lease_rules import (
    BLAMES,
    CAREFUL_FROM,
    MOST_ATTEMPTS,
    Cause,
    Held,
    claimed,
    condemned,
    given_back,
    is_dead,
    is_leased,
    lost,
    renewed,
    settled,
)
from nasfarm.core.leases import Lease

LEASE_MS = 6000
FREE = Held(0, "", 0, "", "", "")


def claim(held: Held | None, now_ms: int = 1000, fence: str = "f") -> Held:
    held = settled(held, now_ms)
    assert not is_leased(held, now_ms)
    assert not is_dead(held)
    return claimed(held, now_ms, LEASE_MS, fence, "nas", "boot", "slot0.1")


def ended(held: Held | None, cause: Cause, item: int | None = None, said: str = "") -> Held:
    """The entry after one more attempt whose worker ended while it worked on `item`."""
    running = claim(held)
    if item is not None:
        flying = renewed(running, "f", 2000, LEASE_MS, item)
        assert flying is not None
        running = flying
    return lost(running, "f", cause, said)


# -- having a lease --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now_ms", "leased"),
    [
        pytest.param(1000, True, id="at once"),
        pytest.param(6999, True, id="in its last millisecond"),
        pytest.param(7000, False, id="when its time is up"),
    ],
)
def test_a_lease_lasts_its_time(now_ms: int, leased: bool) -> None:
    assert is_leased(claim(None), now_ms) is leased


def test_a_renewal_counts_from_now_and_keeps_the_item_in_flight() -> None:
    flying = renewed(claim(None), "f", 3000, LEASE_MS, 7)
    assert flying is not None
    later = renewed(flying, "f", 5000, LEASE_MS, None)
    assert later == replace(flying, until_ms=11_000)
    assert later.in_flight == 7


def test_a_lease_whose_time_is_up_may_still_be_renewed_while_nobody_took_it() -> None:
    assert renewed(claim(None), "f", 99_000, LEASE_MS, None) is not None


def test_a_lease_that_was_given_back_or_lost_is_not_renewed() -> None:
    assert renewed(given_back(claim(None), "f"), "f", 1500, LEASE_MS, None) is None
    assert renewed(ended(None, Cause.KILLED), "f", 1500, LEASE_MS, None) is None


def test_a_claim_forgets_what_flew_before_and_keeps_what_was_blamed() -> None:
    before = ended(ended(ended(None, Cause.KILLED), Cause.KILLED), Cause.DIED, 4, "SIGSEGV")
    after = claim(before)
    assert after.in_flight is None
    assert (after.crashed, after.said) == ({"4": 1}, {"4": "SIGSEGV"})


def test_an_attempt_that_is_given_back_does_not_count() -> None:
    assert claim(given_back(claim(None), "f")).attempt == 1


def test_one_that_is_lost_counts() -> None:
    assert claim(ended(None, Cause.KILLED)).attempt == 2


@pytest.mark.parametrize("attempt", range(1, 5))
def test_the_third_attempt_is_the_first_careful_one(attempt: int) -> None:
    assert Lease("job", 0, replace(FREE, attempt=attempt)).careful == (attempt >= 3)


# -- who is blamed ---------------------------------------------------------------------------


@pytest.mark.parametrize("cause", list(Cause))
def test_nobody_is_blamed_while_no_image_is_in_flight(cause: Cause) -> None:
    after = ended(None, cause, None, "SIGSEGV")
    assert (after.crashed, after.timeout, after.killed, after.said) == ({}, {}, {}, {})


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        pytest.param(Cause.DIED, Cause.DIED, "crashed", id="died twice"),
        pytest.param(Cause.TIMEOUT, Cause.TIMEOUT, "timeout", id="too long twice"),
        pytest.param(Cause.DIED, Cause.TIMEOUT, "crashed", id="died and took too long"),
    ],
)
def test_two_blames_condemn_an_image_and_one_does_not(
    first: Cause, second: Cause, code: str
) -> None:
    once = ended(None, first, 5)
    assert condemned(once) == {}
    assert condemned(ended(once, second, 5)) == {5: code}


def test_two_images_blamed_once_each_are_both_innocent_so_far() -> None:
    assert condemned(ended(ended(None, Cause.DIED, 5), Cause.DIED, 6)) == {}


def test_kills_of_unknown_cause_blame_nobody_before_the_tenth_attempt() -> None:
    held = None
    for _ in range(MOST_ATTEMPTS - 1):
        held = ended(held, Cause.KILLED, 5)
    assert held is not None
    assert condemned(held) == {}
    assert condemned(ended(held, Cause.KILLED, 6)) == {5: "crashed"}


def test_of_images_in_flight_equally_often_the_first_one_goes() -> None:
    held = None
    for item in [9, 10, 9, 10, 9, 10, 9, 10, 9, 10]:
        held = ended(held, Cause.KILLED, item)
    assert held is not None
    assert condemned(held) == {9: "crashed"}
    assert held.killed == {"10": 5}


def test_time_that_ran_out_is_a_kill_of_unknown_cause() -> None:
    flying = renewed(claim(None), "f", 1000, LEASE_MS, 5)
    assert flying is not None
    after = settled(flying, 7000)
    assert after is not None
    assert (after.killed, after.crashed, after.until_ms) == ({"5": 1}, {}, 0)
    assert settled(flying, 6999) == flying


# -- chunks that never get as far as an image --------------------------------------------------


def test_a_chunk_that_ends_ten_workers_before_an_image_flies_is_dead() -> None:
    held = None
    for _ in range(MOST_ATTEMPTS):
        assert not is_dead(held)
        held = ended(held, Cause.KILLED)
    assert is_dead(held)


def test_one_in_which_an_image_flew_is_not() -> None:
    held = ended(None, Cause.KILLED, 3)
    for _ in range(2 * MOST_ATTEMPTS):
        held = ended(held, Cause.KILLED)
    assert not is_dead(held)


# -- fences ----------------------------------------------------------------------------------

COUNTS = st.dictionaries(st.integers(0, 5).map(str), st.integers(1, 3), max_size=3)
ENTRIES = st.builds(
    Held,
    attempt=st.integers(1, 15),
    fence=st.sampled_from(["a", "b"]),
    until_ms=st.sampled_from([0, 1, 5000]),
    node=st.just("nas"),
    boot=st.just("boot"),
    worker=st.just("slot0.1"),
    in_flight=st.none() | st.integers(0, 5),
    crashed=COUNTS,
    timeout=COUNTS,
    killed=COUNTS,
    said=st.just({}),
)


@given(held=ENTRIES, cause=st.sampled_from(Cause), item=st.none() | st.integers(0, 5))
def test_a_fence_other_than_the_holders_changes_nothing(
    held: Held, cause: Cause, item: int | None
) -> None:
    for fence in ("another", "", held.fence + "0"):
        assert renewed(held, fence, 100, LEASE_MS, item) is None
        assert given_back(held, fence) == held
        assert lost(held, fence, cause, "SIGSEGV") == held


@given(held=ENTRIES, cause=st.sampled_from(Cause))
def test_what_is_said_twice_counts_once(held: Held, cause: Cause) -> None:
    once = lost(held, held.fence, cause, "SIGSEGV")
    assert lost(once, held.fence, cause, "SIGSEGV") == once
    assert given_back(once, held.fence) == once


# -- whole lives -----------------------------------------------------------------------------

ITEMS = 6
DEEDS = st.sampled_from(["none", *Cause])


@given(data=st.data(), deeds=st.lists(DEEDS, min_size=ITEMS, max_size=ITEMS))
def test_every_chunk_ends_within_bounded_attempts_and_only_the_guilty_are_condemned(
    data: st.DataObject, deeds: list[str]
) -> None:
    """Workers as they are: each image has its deed, and does it each time it is run."""
    held: Held | None = None
    deadly = {i for i, deed in enumerate(deeds) if deed != "none"}
    attempts = 0
    while True:
        held = claim(held)
        attempts += 1
        assert attempts <= bound(deadly, deeds)
        out = condemned(held)
        assert set(out) <= deadly, "an innocent image is condemned"
        left = sorted(deadly - set(out))
        if not left:
            break
        first = left[0] if held.attempt >= CAREFUL_FROM else data.draw(st.sampled_from(left))
        if held.attempt >= CAREFUL_FROM:
            flying = renewed(held, "f", 1000, LEASE_MS, first)
            assert flying is not None
            held = flying
        held = lost(held, "f", Cause(deeds[first]), "")
    assert set(condemned(held)) == deadly


def bound(deadly: set[int], deeds: list[str]) -> int:
    """Two attempts as usual, two for each deadly image, ten until kills count, and the last."""
    kills = [i for i in deadly if deeds[i] == Cause.KILLED]
    return (CAREFUL_FROM - 1) + BLAMES * len(deadly) + (MOST_ATTEMPTS if kills else 0) + 1


class Life(RuleBasedStateMachine):
    """Any order of events, with the fences of all leases that ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.held: Held | None = None
        self.now_ms = 1000
        self.fences: list[str] = []
        self.claims = self.given = 0
        self.blames: dict[int, int] = {}

    @rule(ms=st.integers(0, 2 * LEASE_MS))
    def time_goes_by(self, ms: int) -> None:
        self.now_ms += ms

    @rule()
    def claim(self) -> None:
        held = settled(self.held, self.now_ms)
        if is_leased(held, self.now_ms) or is_dead(held):
            return
        self.note_blames(held)
        fence = f"{len(self.fences)}"
        self.fences.append(fence)
        self.held = claimed(held, self.now_ms, LEASE_MS, fence, "nas", "boot", "slot0.1")
        self.claims += 1

    @precondition(lambda self: self.held is not None)
    @rule(data=st.data(), item=st.integers(0, 3))
    def fly(self, data: st.DataObject, item: int) -> None:
        """As workers do: only from the third attempt on."""
        assert self.held is not None
        careful = self.held.attempt >= CAREFUL_FROM
        fence = data.draw(st.sampled_from(self.fences))
        after = renewed(self.held, fence, self.now_ms, LEASE_MS, item if careful else None)
        assert (after is not None) == (fence == self.held.fence and self.held.until_ms > 0)
        self.held = after or self.held

    @precondition(lambda self: self.held is not None)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        assert self.held is not None
        fence = data.draw(st.sampled_from(self.fences))
        after = given_back(self.held, fence)
        if after != self.held:
            assert fence == self.held.fence
            self.given += 1
        self.held = after

    @precondition(lambda self: self.held is not None)
    @rule(data=st.data(), cause=st.sampled_from(Cause))
    def end(self, data: st.DataObject, cause: Cause) -> None:
        assert self.held is not None
        fence = data.draw(st.sampled_from(self.fences))
        after = lost(self.held, fence, cause, "")
        assert after == self.held or fence == self.held.fence
        if after != self.held and self.held.in_flight is not None and cause is not Cause.KILLED:
            item = self.held.in_flight
            self.blames[item] = self.blames.get(item, 0) + 1
        self.note_blames(after)
        self.held = after

    def note_blames(self, held: Held | None) -> None:
        """From the tenth attempt on a kill blames the likeliest image in full."""
        if held is not None and held.attempt >= MOST_ATTEMPTS:
            for item, count in held.crashed.items():
                self.blames[int(item)] = max(self.blames.get(int(item), 0), count)

    @invariant()
    def attempts_are_the_claims_that_were_not_given_back(self) -> None:
        assert (self.held.attempt if self.held else 0) == self.claims - self.given

    @invariant()
    def nobody_is_blamed_before_the_third_attempt(self) -> None:
        if self.held is not None and self.claims < CAREFUL_FROM:
            assert not (self.held.crashed or self.held.timeout or self.held.killed)

    @invariant()
    def nobody_is_condemned_before_two_blames(self) -> None:
        for item in condemned(self.held) if self.held else {}:
            assert self.blames.get(item, 0) >= BLAMES

    @invariant()
    def a_chunk_is_dead_only_after_ten_attempts(self) -> None:
        if is_dead(self.held):
            assert self.held is not None
            assert self.held.attempt >= MOST_ATTEMPTS


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
