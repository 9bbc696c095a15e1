"""A picture with a recipe's zones and lines, and a heat picture's scale. Pure."""

from __future__ import annotations

import math

from nasfarm.core.recipes import Point, ResolvedRecipe
from nasfarm.core.reduced import Heat
from nasfarm_workers.report.axes import colour
from nasfarm_workers.report.clocks import length
from nasfarm_workers.report.gallery import picture_of
from nasfarm_workers.report.html import said, shown
from nasfarm_workers.report.values import Scene
from nasfarm_workers.report.words import PICTURE, named

ARROW = 0.06
"""Of the picture's height: how far the arrow at a line reaches."""


def drawn_scene(scene: Scene, recipe: ResolvedRecipe, heat: Heat | None) -> str:
    """The picture, with everything that the recipe has drawn on it."""
    ratio = scene.width / scene.height
    zones = "".join(
        f'<polygon points="{_points(corners)}" class="{colour(n)}"/>'
        for n, corners in enumerate(recipe.zones.values())
    )
    lines = "".join(_line(ends, ratio) for ends in recipe.lines.values())
    names = "".join(
        _name(name, _middle(points), kind)
        for kind, shapes in (("zone", recipe.zones), ("line", recipe.lines))
        for name, points in shapes.items()
    )
    title = named("heat") if heat else PICTURE
    return (
        f'<figure class="scene"><figcaption><h2>{said(title)}</h2>{_told(recipe, heat)}'
        "</figcaption>"
        f'<span class="seen" style="--r:{ratio:.3f}"><img src="{picture_of(scene.jpeg)}" alt="">'
        f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">{zones}{lines}'
        f'</svg><span class="names">{names}</span></span></figure>'
    )


def _told(recipe: ResolvedRecipe, heat: Heat | None) -> str:
    told = ""
    if heat and any(heat.seconds):
        english, chinese = length(sum(heat.seconds))
        told += said(
            (
                f"The warmer the colour, the longer; {english} in all.",
                f"颜色越暖，停留越久；总计 {chinese}。",
            )
        )
    if recipe.lines:
        told += " " + said(("The arrow at a line points in.", "线上的箭头指向“进入”方向。"))
    return f'<p class="soft">{told}</p>' if told else ""


def _line(ends: tuple[Point, ...], ratio: float) -> str:
    """A line and an arrow to its inner side: the left hand of whoever walks from end to end."""
    (x1, y1), (x2, y2) = ends
    across, down = (x2 - x1) * ratio, y2 - y1  # in parts of the picture's height
    long = math.hypot(across, down) or 1.0
    aside, up = down / long * ARROW, -across / long * ARROW
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    tip = (x + aside / ratio, y + up)
    wings = [
        (x + (aside * 0.6 + side * up * 0.3) / ratio, y + up * 0.6 - side * aside * 0.3)
        for side in (1, -1)
    ]
    path = f"M{_point(ends[0])}L{_point(ends[1])}M{x * 1000:.1f} {y * 1000:.1f}L{_point(tip)}"
    path += f"M{_point(wings[0])}L{_point(tip)}L{_point(wings[1])}"
    return f'<path class="rim" d="{path}"/><path class="ink" d="{path}"/>'


def _name(name: str, place: Point, kind: str) -> str:
    x, y = (100 * min(0.97, max(0.03, part)) for part in place)
    return f'<b class="{kind}" style="left:{x:.1f}%;top:{y:.1f}%">{shown(name)}</b>'


def _middle(points: tuple[Point, ...]) -> Point:
    xs, ys = zip(*points, strict=True)
    if len(points) == 2:  # of a line the end that is higher up: its arrow is in the middle
        return min(points, key=lambda point: (point[1], point[0]))
    return (sum(xs) / len(xs), sum(ys) / len(ys))


def _points(corners: tuple[Point, ...]) -> str:
    return " ".join(f"{x * 1000:.1f},{y * 1000:.1f}" for x, y in corners)


def _point(point: Point) -> str:
    return f"{point[0] * 1000:.1f} {point[1] * 1000:.1f}"
