"""Reports of jobs that never ran, with drawn pictures: a shop's day, and plain finds."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from io import BytesIO
from itertools import pairwise
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from nasfarm.core.jobs import Job, Priority, Segment, Skipped, Summary
from nasfarm.core.models import PinnedModel
from nasfarm.core.recipes import ResolvedRecipe, ResolvedStage
from nasfarm.core.reduced import Chart, Fact, Heat, Reduced, Table
from nasfarm_workers.recipes.counts import Counts
from nasfarm_workers.report.survey import Survey
from nasfarm_workers.report.values import Report, Scene, Shot

WIDTH, HEIGHT = 1280, 800
OPENS = datetime(2026, 5, 4, 9)
MINUTES = 600
ZONES = {
    "counter": ((0.60, 0.53), (0.95, 0.53), (0.98, 0.78), (0.60, 0.78)),
    "shelves": ((0.05, 0.55), (0.42, 0.55), (0.40, 0.77), (0.02, 0.77)),
}
LINES = {"door": ((0.36, 0.80), (0.68, 0.80))}
MODEL = PinnedModel("nanodet-g", "2", "int8", "0" * 64)
PARAMS = {"score": 0.35, "pictures": 0, "gate": "none"}


def recipe(name: str = "people-count", **other: Any) -> ResolvedRecipe:
    stages = (ResolvedStage("things", MODEL, "image"),)
    return ResolvedRecipe(name, "detect", stages, PARAMS, 16, 0, **other)


def job(recipe: ResolvedRecipe, items: int, job_id: str = "") -> Job:
    plan = (Segment(0, "cameras", 0, items, items, 0),)
    return Job(
        job_id or f"{recipe.name}-a6f90fca2d", "0" * 32, "2026-05-04T19:05:00+00:00", recipe,
        Priority.NORMAL, items, 96_000 * items, Skipped(), plan,
    )  # fmt: skip


# -- drawn pictures ----------------------------------------------------------------------------


def shop(people: Iterable[tuple[float, float]] = ()) -> Image.Image:
    """A shop from above its door: shelves, a counter, people by where their feet are, 0..1."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (226, 219, 207))
    pen = ImageDraw.Draw(image)
    for n in range(9):  # the floor's boards run towards the back
        x = WIDTH * (n - 1) / 7
        pen.line(
            (x, HEIGHT, WIDTH / 2 + (x - WIDTH / 2) * 0.45, 230), fill=(214, 206, 192), width=3
        )
    pen.rectangle((0, 0, WIDTH, 230), fill=(197, 205, 208))
    for n in range(3):
        pen.rectangle((60 + 190 * n, 60, 200 + 190 * n, 170), fill=(226, 235, 238))
    for n in range(2):
        x, y = 70 + 250 * n, 200
        pen.polygon(((x, y), (x + 190, y), (x + 150, 460), (x - 60, 460)), fill=(151, 118, 92))
        for row in range(1, 5):
            left = x - 60 * row / 5
            pen.line((left, y + 52 * row, left + 195, y + 52 * row), fill=(120, 92, 70), width=6)
    pen.polygon(((830, 235), (1190, 235), (1230, 420), (850, 420)), fill=(120, 140, 132))
    pen.polygon(((850, 420), (1230, 420), (1226, 500), (856, 500)), fill=(94, 112, 105))
    pen.rectangle((470, HEIGHT - 40, 860, HEIGHT), fill=(172, 160, 142))
    coats = [(64, 84, 120), (150, 70, 66), (70, 110, 84), (186, 146, 80), (96, 80, 120)]
    for n, (x, y) in enumerate(sorted(people, key=lambda place: place[1])):
        _person(pen, x * WIDTH, y * HEIGHT, coats[n % len(coats)])
    return image


def _person(pen: ImageDraw.ImageDraw, x: float, foot: float, coat: tuple[int, int, int]) -> None:
    high = tall(foot)
    wide = high * 0.17
    pen.ellipse((x - wide * 1.3, foot - wide * 0.5, x + wide * 1.3, foot + wide * 0.5),
                fill=(188, 179, 164))  # fmt: skip
    pen.rounded_rectangle((x - wide * 0.6, foot - high * 0.45, x + wide * 0.6, foot),
                          wide * 0.4, fill=(58, 62, 72))  # fmt: skip
    pen.rounded_rectangle((x - wide, foot - high * 0.84, x + wide, foot - high * 0.36),
                          wide * 0.7, fill=coat)  # fmt: skip
    head = high * 0.085
    middle = foot - high * 0.91
    pen.ellipse((x - head, middle - head, x + head, middle + head), fill=(214, 178, 150))


def tall(foot: float) -> float:
    """How many pixels somebody has whose feet are at this row."""
    return 90 + 190 * foot / HEIGHT


def box(x: float, y: float) -> list[float]:
    high = tall(y * HEIGHT)
    left, right = x * WIDTH - high * 0.19, x * WIDTH + high * 0.19
    return [round(v, 1) for v in (left, y * HEIGHT - high, right, min(HEIGHT, y * HEIGHT + 6))]


def jpeg(image: Image.Image, side: int) -> bytes:
    small = image.copy()
    small.thumbnail((side, side))
    file = BytesIO()
    small.save(file, "JPEG", quality=78)
    return file.getvalue()


def warmed(image: Image.Image, places: Iterable[tuple[float, float]]) -> Image.Image:
    """The picture with a heat map over it."""
    heat = Image.new("L", (320, 200), 0)
    for x, y in places:
        spot = Image.new("L", heat.size, 0)
        ImageDraw.Draw(spot).ellipse(
            (x * 320 - 11, y * 200 - 7, x * 320 + 11, y * 200 + 7), fill=46
        )
        heat = ImageChops.add(heat, spot)
    heat = heat.filter(ImageFilter.GaussianBlur(6)).resize(image.size)
    ramp = [_colour(level / 255) for level in range(256)]
    colour = Image.merge("RGB", [heat.point([shade[n] for shade in ramp]) for n in range(3)])
    return Image.composite(colour, image, heat.point(lambda level: min(190, int(level * 1.9))))


def _colour(level: float) -> tuple[int, int, int]:
    stops = (
        (0.0, (40, 60, 160)),
        (0.35, (30, 160, 170)),
        (0.65, (245, 200, 60)),
        (1.0, (220, 40, 30)),
    )
    for (at, low), (end, high) in pairwise(stops):
        if level <= end:
            part = (level - at) / (end - at)
            red, green, blue = (round(a + (b - a) * part) for a, b in zip(low, high, strict=True))
            return (red, green, blue)
    return stops[-1][1]


# -- a shop's day ------------------------------------------------------------------------------


def places(chance: random.Random, count: int) -> list[tuple[float, float]]:
    """Where so many people stand: at the counter, at the shelves, near the door."""
    spots = ((0.78, 0.66, 0.09), (0.22, 0.66, 0.12), (0.5, 0.88, 0.07), (0.55, 0.70, 0.06))
    found = []
    for _ in range(count):
        x, y, wide = chance.choices(spots, (5, 3, 1, 1))[0]
        found.append(
            (min(0.95, max(0.05, chance.gauss(x, wide))), min(0.97, chance.gauss(y, 0.05)))
        )
    return found


def shop_day(minutes: int = MINUTES) -> tuple[list[dict[str, Any]], list[int]]:
    """A line a minute, and how many people each shows: most of them at noon."""
    chance = random.Random(7)
    lines: list[dict[str, Any]] = []
    counts = []
    for i in range(minutes):
        noon = 7.5 * 2 ** (-(((i - 190) / 75) ** 2)) + 3.5 * 2 ** (-(((i - 480) / 60) ** 2))
        count = max(0, round(chance.gauss(noon + 0.6, 0.8)))
        counts.append(count)
        when = OPENS + timedelta(minutes=i)
        found = [
            {"label": "person", "class_id": 0, "score": round(chance.uniform(0.42, 0.93), 3),
             "box": box(*place)}
            for place in places(chance, count)
        ]  # fmt: skip
        lines.append({
            "i": i, "item": f"cameras:door/{when:%Y%m%d_%H%M%S}.jpg", "status": "ok",
            "width": WIDTH, "height": HEIGHT, "model": str(MODEL), "taken_at": when.isoformat(),
            "time_source": "name",
            "detections": sorted(found, key=lambda one: -one["score"]),
        })  # fmt: skip
    for i, code in ((41, "decode"), (42, "decode"), (377, "missing")):
        said = {"decode": "is damaged (broken data stream); copy it again.",
                "missing": "the file is gone since the job was submitted"}[code]  # fmt: skip
        lines[i] = {"i": i, "item": lines[i]["item"], "status": "error",
                    "error": {"code": code, "message": f"{lines[i]['item']}: {said}"}}  # fmt: skip
        counts[i] = 0
    return lines, counts


def day_reduced(counts: list[int]) -> Reduced:
    times = [(OPENS + timedelta(minutes=i)).isoformat() for i in range(len(counts))]
    hours = [times[n] for n in range(0, len(times), 60)]
    into = [sum(counts[n : n + 60]) // 9 for n in range(0, len(counts), 60)]
    out = [max(0, n - 1 + 2 * (k % 2)) for k, n in enumerate(into)]
    peak = max(range(len(counts)), key=counts.__getitem__)
    seconds = tuple(float((x * 7 + y * 3) % 90) for y in range(20) for x in range(32))
    return Reduced(
        facts=(
            Fact("people_in", sum(into)), Fact("people_out", sum(out)),
            Fact("people_peak", counts[peak]), Fact("people_peak_at", times[peak]),
            Fact("dwell", 5130.0, "s", "counter"), Fact("most_at_once", 6, of="counter"),
            Fact("dwell", 2212.0, "s", "shelves"), Fact("most_at_once", 4, of="shelves"),
        ),
        tables=(
            Table("occupancy", ("time", "present"), tuple(zip(times, counts, strict=True))),
            Table("flow", ("time", "in", "out"), tuple(zip(hours, into, out, strict=True))),
            Table("dwell", ("zone", "seconds"), (("counter", 5130.0), ("shelves", 2212.0))),
        ),
        charts=(
            Chart("occupancy", "time", "occupancy", "time", ("present",)),
            Chart("flow", "time", "flow", "time", ("in", "out")),
            Chart("dwell", "bars", "dwell", "zone", ("seconds",)),
        ),
        heats=(Heat("heat", 32, 20, seconds, 190),),
        notes=("The camera was away from 12:04 to 12:09; nobody was counted then.",),
    )  # fmt: skip


def surveyed(lines: Iterable[Mapping[str, Any]]) -> tuple[Survey, Counts]:
    survey, counts = Survey(), Counts()
    for line in lines:
        survey.add(line)
        counts.add(line)
    return survey, counts


def report(
    recipe: ResolvedRecipe,
    lines: list[dict[str, Any]],
    reduced: Reduced,
    scenes: Iterable[Scene] = (),
) -> Report:
    """As the reduce step would have it, every shot with a drawn picture."""
    survey, counts = surveyed(lines)
    made = job(recipe, len(lines))
    summary = Summary(
        made.job_id, 0, len(lines), counts.status["ok"], counts.status["error"],
        tuple(counts.most_first), reduced.facts, tuple(counts.times),
        tuple(map(str, reduced.notes)),
    )  # fmt: skip
    shots = [
        Shot(lines[one.i], picture_of(lines[one.i]), one.why)
        for one in reduced.telling or survey.telling(24)
    ]
    return Report(made, summary, reduced, survey, 24.6, shots, tuple(scenes), reduced.notes)


def picture_of(line: Mapping[str, Any]) -> bytes:
    """The drawn picture of a line, people where it has found them."""
    boxes = [one["box"] for one in line.get("detections", ())]
    feet = [((x1 + x2) / 2 / WIDTH, (y2 - 6) / HEIGHT) for x1, _, x2, y2 in boxes]
    return jpeg(shop(feet), 640)


def shop_report(**other: Any) -> Report:
    """A camera at a shop's door counted people for a day."""
    lines, counts = shop_day()
    day = recipe(zones=ZONES, lines=LINES, reduce="people_count", **other)
    chance = random.Random(3)
    scene = Scene(jpeg(warmed(shop(), places(chance, 150)), 1280), WIDTH, HEIGHT, "heat")
    return report(day, lines, day_reduced(counts), [scene])


def plain_report(lines: list[dict[str, Any]], name: str = "detect") -> Report:
    """A job whose recipe has no reduce of its own."""
    return report(recipe(name), lines, Reduced())


def zones_report() -> Report:
    """Zones and a line over a plain picture, no heat."""
    whole = shop_report()
    scene = Scene(jpeg(shop(((0.3, 0.7), (0.8, 0.66))), 1280), WIDTH, HEIGHT)
    return replace(whole, reduced=replace(whole.reduced, heats=()), scenes=(scene,))
