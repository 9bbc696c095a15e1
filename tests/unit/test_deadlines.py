"""Deadlines: what the clock will show, how many slots that takes, and what people read of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasfarm.core import wire
from nasfarm.core.items import Found
from nasfarm.core.jobs import Job, Priority, Progress, Skipped, State
from nasfarm.core.nodes import NodeReport, Slot
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.core.times import clock, next_time
from nasfarm.core.words import how_far
from nasfarm.errors import RejectError
from nasfarm.jobs.manifest import spool
from nasfarm.jobs.store import JobStore
from nasfarm.plan.deadlines import Lent, Work, busy, done_in, slots_for

NOW_S = 1_000_000.0


# -- the clock -------------------------------------------------------------------------------


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clocks go forward on 2026-03-29 at 02:00 and back on 2026-10-25 at 03:00."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("now", "text", "wanted"),
    [
        pytest.param("2026-11-23T14:00:00+01:00", "14:30", "2026-11-23T14:30:00+01:00", id="today"),
        pytest.param("2026-11-23T14:30:00+01:00", "14:30", "2026-11-24T14:30:00+01:00", id="now"),
        pytest.param("2026-11-23T23:59:30+01:00", "0:05", "2026-11-24T00:05:00+01:00", id="night"),
        pytest.param("2026-12-31T20:00:00+01:00", "06:00", "2027-01-01T06:00:00+01:00", id="year"),
        pytest.param("2026-11-23T14:00:00+01:00", "14:00:20", "2026-11-23T14:00:20+01:00", id="s"),
        pytest.param("2026-03-28T22:00:00+01:00", "06:00", "2026-03-29T06:00:00+02:00", id="short"),
        pytest.param("2026-10-24T22:00:00+02:00", "06:00", "2026-10-25T06:00:00+01:00", id="long"),
        pytest.param("2026-03-29T01:00:00+01:00", "02:30", "2026-03-29T03:30:00+02:00", id="gap"),
        pytest.param("2026-03-29T03:40:00+02:00", "02:30", "2026-03-30T02:30:00+02:00", id="past"),
        pytest.param("2026-10-25T01:00:00+02:00", "02:30", "2026-10-25T02:30:00+02:00", id="first"),
        pytest.param("2026-10-25T02:40:00+02:00", "02:30", "2026-10-25T02:30:00+01:00", id="again"),
        pytest.param("2026-10-25T02:40:00+01:00", "02:30", "2026-10-26T02:30:00+01:00", id="both"),
    ],
)
def test_a_time_of_day_is_the_next_one_over_midnight_and_when_clocks_change(
    berlin: None, now: str, text: str, wanted: str
) -> None:
    found = next_time(text, datetime.fromisoformat(now).timestamp())
    assert found.isoformat() == wanted


@pytest.mark.parametrize("text", ["24:00", "7", "07.30", "7:5", "", "noon", "-1:00", "07:60"])
def test_what_is_no_time_of_day_is_refused_with_one_that_is(text: str) -> None:
    with pytest.raises(RejectError, match=r"--finish-by: got .* such as 06:30"):
        next_time(text, NOW_S)


@given(st.integers(0, 23), st.integers(0, 59), st.floats(0, 2e9))
def test_the_next_time_is_never_past_nor_more_than_a_day_away(h: int, m: int, now_s: float) -> None:
    ahead_s = next_time(f"{h}:{m:02}", now_s).timestamp() - now_s
    assert 0 < ahead_s <= 25 * 3600


def test_a_time_is_told_with_its_day_where_that_is_another_one(berlin: None) -> None:
    at = datetime(2026, 11, 23, 13, 30, tzinfo=UTC)
    assert clock(at, at) == "14:30"
    assert clock(at + timedelta(days=1), at) == "2026-11-24 14:30"


# -- slots -----------------------------------------------------------------------------------


def work(left: int, in_s: float | None, rates: dict[str, float], rank: int = 1) -> Work:
    return Work(left, left, rates, None if in_s is None else NOW_S + in_s, rank)


ONE = {"nas": Lent(4, 6)}
EVERYWHERE = {"nas": 10.0}


@pytest.mark.parametrize(
    ("works", "before", "wanted"),
    [
        pytest.param([], {}, {}, id="no work"),
        pytest.param([work(9_000, None, EVERYWHERE)], {}, {}, id="no deadline"),
        pytest.param([work(9_000, 100, {})], {}, {}, id="not measured"),
        pytest.param([work(9_000, 3600, EVERYWHERE)], {}, {"nas": 1}, id="one slot is enough"),
        pytest.param([work(60_000, 3600, EVERYWHERE)], {}, {"nas": 3}, id="some of them"),
        pytest.param([work(180_000, 3600, EVERYWHERE)], {}, {"nas": 6}, id="spare cores, too"),
        pytest.param([work(900_000, 3600, EVERYWHERE)], {}, {"nas": 6}, id="too late anyway"),
        pytest.param([work(9_000, -10, EVERYWHERE)], {}, {"nas": 6}, id="late already"),
        pytest.param(
            [work(9_000, 3600, EVERYWHERE), work(50, None, {})], {}, {"nas": 4}, id="beside others"
        ),
        pytest.param(
            [work(75_000, 3600, EVERYWHERE), work(99_999, None, EVERYWHERE)], {}, {"nas": 5},
            id="taking turns with others",
        ),
        pytest.param(
            [work(60_000, 3600, EVERYWHERE), work(99_999, None, EVERYWHERE, rank=2)], {},
            {"nas": 4}, id="before others",
        ),
        pytest.param(
            [work(9_000, 3600, EVERYWHERE), work(60_000, 3600, EVERYWHERE)], {}, {"nas": 3},
            id="two deadlines",
        ),
        pytest.param([work(60_000, 3600, EVERYWHERE)], {"nas": 1}, {"nas": 2}, id="more at once"),
        pytest.param([work(20_000, 3600, EVERYWHERE)], {"nas": 2}, {"nas": 1}, id="far fewer do"),
        pytest.param([work(28_000, 3600, EVERYWHERE)], {"nas": 2}, {"nas": 2}, id="just fewer do"),
        pytest.param([work(0, 3600, EVERYWHERE)], {"nas": 3}, {"nas": 3}, id="the reduce step"),
        pytest.param([work(60_000, 3600, EVERYWHERE)], {"nas": 60}, {"nas": 3}, id="a new node"),
    ],
)  # fmt: skip
def test_a_node_uses_as_many_slots_as_the_deadlines_ask_for(
    works: list[Work], before: dict[str, int], wanted: dict[str, int]
) -> None:
    assert slots_for(works, ONE, before, NOW_S) == wanted


def test_nodes_share_the_work_by_their_slots_and_a_fast_one_saves_a_slow_one() -> None:
    nodes = {"big": Lent(8, 8), "small": Lent(2, 3), "other": Lent(4, 4)}
    rates = {"big": 10.0, "small": 5.0}  # `other` has no root of it
    use = slots_for([work(140_000, 3600, rates)], nodes, {}, NOW_S)
    assert use == {"big": 5, "small": 1}
    assert busy([work(140_000, 3600, rates)], use, NOW_S) <= 1


NODES = st.dictionaries(
    st.sampled_from("abcd"),
    st.tuples(st.integers(1, 8), st.integers(0, 4)).map(lambda two: Lent(two[0], sum(two))),
    min_size=1,
)
WORKS = st.lists(
    st.builds(
        work, st.integers(0, 100_000), st.none() | st.floats(-100, 50_000),
        st.dictionaries(st.sampled_from("abcd"), st.floats(0.1, 50)), st.integers(0, 2),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@given(WORKS, NODES, st.dictionaries(st.sampled_from("abcd"), st.integers(1, 9)))
def test_slots_stay_within_what_a_node_has_suffice_if_any_do_and_stay_as_they_are(
    works: list[Work], nodes: dict[str, Lent], before: dict[str, int]
) -> None:
    use = slots_for(works, nodes, before, NOW_S)
    if not use:
        return
    assert all(1 <= use[name] <= nodes[name].most for name in use)
    if any(each.by_s is None and each.left for each in works):
        assert all(use[name] >= nodes[name].usual for name in use)
    every = {name: nodes[name].most for name in use}
    assert busy(works, use, NOW_S) <= max(1.0, busy(works, every, NOW_S))
    assert slots_for(works, nodes, use, NOW_S) == use


@given(st.floats(0.92, 1.08), st.floats(0.92, 1.08), st.floats(0.3, 3.9))
def test_slots_do_not_go_up_and_down_with_rates_that_waver(
    one: float, other: float, slots: float
) -> None:
    """Two looks at the same work, each at a rate that is up to 8 % off."""
    left = int(slots * 36_000 * 0.9)
    use: dict[str, int] = {}
    seen = []
    for turn in range(6):
        rates = {"nas": 10.0 * (one if turn % 2 else other)}
        use = slots_for([work(left, 3600, rates)], ONE, use, NOW_S)
        seen.append(use["nas"])
    assert len(set(seen[1:])) == 1


@given(
    need=st.floats(0.05, 0.85), rate=st.floats(1, 40), wrong=st.floats(0.9, 1.3),
    length_s=st.integers(120, 20_000),
)  # fmt: skip
def test_work_followed_to_its_end_is_in_time_on_few_slots(
    need: float, rate: float, wrong: float, length_s: int
) -> None:
    """Four slots, of which the part `need` would do; at first rates seem `wrong` times as high."""
    left = float(int(need * 4 * rate * length_s * 0.85))
    at, use, busy_s = 0.0, dict[str, int](), 0.0
    seconds, nodes = max(5.0, length_s / 200), {"nas": Lent(4, 4)}
    while left > 0:
        measured = {"nas": rate * (wrong if at < 30 else 1.0)}
        one = Work(int(left) + 1, math.ceil(left), measured, NOW_S + length_s)
        use = slots_for([one], nodes, use, NOW_S + at)
        left -= rate * use["nas"] * seconds
        busy_s += use["nas"] * seconds
        at += seconds
    assert at <= length_s
    if need < 0.5 and at:
        assert busy_s < 4 * at


def test_a_forecast_counts_what_goes_first_and_what_takes_turns() -> None:
    slots = {"nas": 2}
    mine = Work(1000, 1000, EVERYWHERE, None, rank=1)
    alone = done_in(mine, [], slots)
    assert alone == pytest.approx(50 + 5, abs=1)
    assert alone is not None
    first = replace(mine, rank=0, left=4000)
    assert done_in(mine, [first], slots) == pytest.approx(alone + 200)
    beside = replace(mine, left=4000)
    assert done_in(mine, [beside], slots) == pytest.approx(alone + 50)
    assert done_in(mine, [replace(mine, rank=2, left=4000)], slots) == alone
    assert done_in(replace(mine, rates={}), [], slots) is None
    assert done_in(mine, [replace(first, rates={})], slots) == alone


# -- what is kept and told -------------------------------------------------------------------


def job(finish_by: datetime | None) -> Job:
    recipe = ResolvedRecipe("detect", "detect", (), {"pictures": 3}, 16, 0)
    return Job(
        "detect-1", "detect-1", "2026-11-23T13:00:00+00:00", recipe, Priority.NORMAL, 1, 1,
        Skipped(), (), finish_by=finish_by,
    )  # fmt: skip


def test_a_job_keeps_its_deadline_and_one_without_looks_as_it_always_did(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    at = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
    for each in (job(at), replace(job(None), job_id="detect-2")):
        with store.draft() as draft:
            assert store.accept(draft, each)
    assert store.load("detect-1").by_s == at.timestamp()
    assert b"finish_by" not in (tmp_path / "detect-2" / "job.json").read_bytes()
    assert store.load("detect-2").finish_by is None


def test_status_tells_the_deadline_and_when_it_cannot_be_kept(berlin: None) -> None:
    at = datetime(2026, 11, 23, 13, 30, tzinfo=UTC)
    now = Progress("detect-1", State.RUNNING, 400, 12, 0, 10, 0, 8.0, 48.0, finish_by=at)
    assert how_far(now) == "12 of 400 pictures, 8 images/s, 48 s left, to be done by 14:30"
    late = replace(now, soonest=at + timedelta(minutes=100))
    assert how_far(late).endswith("48 s left, done about 16:10, too late for 14:30")
    assert wire.plain(late)["soonest"] == "2026-11-23T15:10:00Z"


@pytest.mark.parametrize(
    ("slots", "said"),
    [
        pytest.param(3, "", id="usual"),
        pytest.param(
            1, "1 of its 3 slots in use: enough to finish in time (--finish-by)", id="few"
        ),
        pytest.param(4, "1 more in use, on spare cores, to finish in time (--finish-by)", id="all"),
    ],
)
def test_a_node_says_why_it_does_not_use_its_usual_slots(slots: int, said: str) -> None:
    those = tuple(Slot(number, (number,)) for number in range(slots))
    assert NodeReport("nas", "b", "0", 1, (), (), those, usual=3, most=4).use == said
    assert NodeReport("nas", "b", "0", 1, (), (), those).use == ""  # an older release's


# -- a sample --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "wanted"),
    [
        pytest.param(0, [*range(10)], id="all"),
        pytest.param(1, [5], id="the middle"),
        pytest.param(3, [1, 5, 8], id="spread"),
        pytest.param(10, [*range(10)], id="as many as there are"),
        pytest.param(99, [*range(10)], id="more than there are"),
    ],
)
def test_a_sample_is_spread_over_all_items(tmp_path: Path, count: int, wanted: list[int]) -> None:
    with spool(tmp_path) as found:
        found.add(Found(f"photos:{n}.jpg", 1, 1) for n in range(10))
        assert found.thin(count) == 10
        assert [item.item for item in found.items()] == [f"photos:{n}.jpg" for n in wanted]
        assert [item.i for item in found.items()] == [*range(len(wanted))]


def test_a_sample_draws_as_many_pictures_as_it_has() -> None:
    recipe = job(None).recipe
    assert recipe.drawing(0) is recipe
    assert recipe.drawing(20).params["pictures"] == 20
    assert recipe.drawing(2).params["pictures"] == 3
