"""The tracker on sequences in which it is known who is who, as motmetrics counts switches."""

from __future__ import annotations

import random
from dataclasses import astuple, replace

import pytest

from nasfarm.core.lines import Box
from nasfarm_workers.recipes.motion import Motion, overlap
from nasfarm_workers.recipes.tracks import Candidate, Tracker
from walkers import Outcome, Walker, evenly, outcome, pictures, unevenly

LOST_S = 2.0


@pytest.mark.parametrize("rate", [25, 10, 4])
def test_two_who_meet_and_pass_keep_their_numbers(rate: int, chance: random.Random) -> None:
    # They cover each other about 5 s from the start; then only the one in front is found.
    right = Walker(100, 300, right=60)
    left = Walker(700, 296, right=-60, hidden=(4.85, 5.2))
    found = outcome(pictures([right, left], evenly(10, rate), chance), Tracker(LOST_S))
    assert (found.tracks, found.switches, found.wrong) == (2, 0, 0)


def test_whole_groups_that_walk_through_each_other_keep_their_numbers(
    chance: random.Random,
) -> None:
    there = [Walker(50 - 90 * n, 300 + 12 * n, right=70) for n in range(4)]
    back = [Walker(800 + 90 * n, 294 + 12 * n, right=-70) for n in range(4)]
    found = outcome(pictures([*there, *back], evenly(16, 10), chance), Tracker(LOST_S))
    assert (found.tracks, found.switches, found.wrong) == (8, 0, 0)


@pytest.mark.parametrize(
    ("gap_s", "tracks", "switches"),
    [(0.5, 1, 0), (1.5, 1, 0), (2.5, 2, 1), (4.0, 2, 1)],
)
@pytest.mark.parametrize("rate", [5, 25])
def test_who_is_hidden_for_less_than_the_time_allowed_stays_the_same(
    gap_s: float, tracks: int, switches: int, rate: int, chance: random.Random
) -> None:
    walker = Walker(100, 300, right=50, hidden=(3, 3 + gap_s))
    found = outcome(pictures([walker], evenly(9, rate), chance), Tracker(LOST_S))
    assert (found.tracks, found.switches) == (tracks, switches)


def test_steps_of_any_length_are_taken_as_they_are(chance: random.Random) -> None:
    """From 25 pictures a second down to one, in any order; 80 pixels a second are two widths."""
    walkers = [
        Walker(50, 200, right=80),
        Walker(900, 330, right=-80),
        Walker(400, 460, right=30),
        Walker(700, 600, down=-20),
    ]
    shown = pictures(walkers, unevenly(12, 0.04, 1.0, chance), chance)
    found = outcome(shown, Tracker(LOST_S))
    assert (found.tracks, found.switches, found.wrong) == (4, 0, 0)


def test_a_step_taken_for_another_loses_people(chance: random.Random) -> None:
    """The test above can fail: told that all steps are equal, the tracker loses count."""
    walkers = [Walker(50, 200, right=80), Walker(2000, 330, right=-80)]
    moments = [0.0]
    for n in range(40):
        moments.append(moments[-1] + (0.04 if n % 8 < 7 else 1.5))
    shown = pictures(walkers, moments, chance)
    told = [replace(one, passed_s=moments[-1] / 40) for one in shown]
    assert outcome(shown, Tracker(LOST_S)).switches == 0
    assert outcome(told, Tracker(LOST_S)).switches > 0


def test_a_faint_box_goes_on_with_who_was_seen_but_begins_nobody(chance: random.Random) -> None:
    walker = Walker(100, 300, right=50, dim=(2, 7))
    found = outcome(pictures([walker], evenly(9, 10), chance), Tracker(LOST_S))
    assert found == Outcome(tracks=1, switches=0, missed=1, wrong=0, right=89)
    shadow = Walker(100, 300, right=50, dim=(0, 9))
    assert outcome(pictures([shadow], evenly(9, 10), chance), Tracker(LOST_S)).tracks == 0


def test_a_box_that_is_there_once_is_nobody() -> None:
    tracker = Tracker(LOST_S)
    flash = [Candidate("person", 0.9, (10, 10, 50, 110))]
    numbers = []
    for found in (flash, [], [], flash, flash):
        numbers.append([(s.track.number, s.track.confirmed) for s in tracker.follow(0.1, found)])
    assert numbers == [[(1, False)], [], [], [(2, False)], [(2, True)]]


def test_a_crowd_is_followed_although_one_in_ten_boxes_is_missing(chance: random.Random) -> None:
    walkers = [
        Walker(
            chance.uniform(0, 1200), 120 + 55 * n,
            right=chance.choice((-1, 1)) * chance.uniform(20, 90),
            from_s=chance.uniform(0, 10), to_s=chance.uniform(20, 30),
        )
        for n in range(10)
    ]  # fmt: skip
    found = outcome(pictures(walkers, evenly(30, 10), chance, misses=0.1), Tracker(LOST_S))
    everyone = found.right + found.missed + found.switches
    mota = 1 - (found.missed + found.wrong + found.switches) / everyone
    assert found.switches <= 2
    assert mota > 0.85


def test_what_two_models_labels_fight_over_gets_the_one_that_is_said_more_surely() -> None:
    tracker = Tracker(LOST_S)
    for label, score in (("truck", 0.4), ("car", 0.9), ("truck", 0.45)):
        [seen] = tracker.follow(0.1, [Candidate(label, score, (0, 0, 90, 50))])
    assert (seen.track.number, seen.track.label) == (1, "car")


def walked(at_s: float) -> Box:
    """The box of who walks to the right at 50 pixels a second."""
    return (50 * at_s, 0.0, 50 * at_s + 40, 100.0)


@pytest.mark.parametrize("steps", [[0.1] * 60, [0.04, 0.3, 1.0] * 8], ids=["even", "uneven"])
def test_a_speed_is_learnt_in_pixels_a_second_whatever_the_steps(steps: list[float]) -> None:
    at_s, motion = 0.0, Motion.appeared(walked(0))
    for step_s in steps:
        at_s += step_s
        motion.move(step_s)
        motion.correct(walked(at_s))
    motion.move(1.0)
    assert motion.box == pytest.approx(walked(at_s + 1), abs=3)


def test_time_that_passes_in_parts_is_time_that_passes_at_once() -> None:
    once, parts = (Motion.appeared(walked(0)) for _ in range(2))
    for motion, steps in ((once, [1.0]), (parts, [0.3, 0.7])):
        motion.move(0.5)
        motion.correct(walked(0.5))
        for step_s in steps:
            motion.move(step_s)
    assert astuple(parts) == pytest.approx(astuple(once))


def test_overlap_is_intersection_over_union_and_grows_with_the_margin() -> None:
    one = (0.0, 0.0, 10.0, 10.0)
    assert overlap(one, (5.0, 0.0, 15.0, 10.0), 0) == pytest.approx(1 / 3)
    assert overlap(one, (12.0, 0.0, 22.0, 10.0), 0) == 0
    assert overlap(one, (0.0, 12.0, 10.0, 22.0), 0) == 0
    assert overlap(one, (12.0, 0.0, 22.0, 10.0), 2) == pytest.approx(28 / (2 * 14 * 14 - 28))
