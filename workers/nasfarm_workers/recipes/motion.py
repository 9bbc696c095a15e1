"""A box and the seconds that pass to where its thing is thought to be: a Kalman filter. Pure.

A thing's middle moves at a speed that changes at random; its width and height
only change at random. Seconds are real ones: a step of half a second is not that of a tenth. Plain
numbers and no arrays: with a few things numpy would take most of the time for itself. ADR 23.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from nasfarm.core.lines import Box

# All in parts of the box's longer side, which makes one set of numbers right near by and far away.
_SEEN = 0.05
"""A detector's box is off by so much (standard deviation); ByteTrack assumes the same."""
_FIRST_SPEED = 1.0
"""A thing just found moves by so much a second; a person walks 0.8 of its height."""
_TURNS = 1.0
"""In a second, a thing's speed changes by so much a second."""
_GROWS = 0.2
"""In a second, a thing's width and height change by so much."""


@dataclass(slots=True)
class Motion:
    """Where one thing is thought to be: its middle and size in pixels, its speed in them a second.

    place_var, both_var, speed_var: the variance of its place, the covariance of place and speed,
    the variance of its speed, the same in x and y. size_var: that of its width and height.
    """

    x: float
    y: float
    width: float
    height: float
    x_speed: float
    y_speed: float
    place_var: float
    both_var: float
    speed_var: float
    size_var: float

    @classmethod
    def appeared(cls, box: Box) -> Motion:
        """What is known of a thing seen for the first time: where it is, and that it may move."""
        x1, y1, x2, y2 = box
        side = max(x2 - x1, y2 - y1, 1.0)
        seen, speed = (_SEEN * side) ** 2, (_FIRST_SPEED * side) ** 2
        middle = ((x1 + x2) / 2, (y1 + y2) / 2)
        return cls(*middle, x2 - x1, y2 - y1, 0.0, 0.0, seen, 0.0, speed, seen)

    @property
    def box(self) -> Box:
        """The box that it is thought to fill."""
        across, down = self.width / 2, self.height / 2
        return (self.x - across, self.y - down, self.x + across, self.y + down)

    @property
    def side(self) -> float:
        """Its longer side; a pixel at least, so that nothing is divided by 0."""
        return max(self.width, self.height, 1.0)

    @property
    def doubt(self) -> float:
        """By how many pixels it may well be elsewhere (standard deviation)."""
        return sqrt(self.place_var)

    def move(self, passed_s: float) -> None:
        """So many seconds pass, and nobody sees it."""
        side = self.side
        turned = (_TURNS * side) ** 2 * passed_s
        self.x += self.x_speed * passed_s
        self.y += self.y_speed * passed_s
        self.place_var += passed_s * (
            2 * self.both_var + passed_s * self.speed_var + passed_s * turned / 3
        )
        self.both_var += passed_s * self.speed_var + passed_s * turned / 2
        self.speed_var += turned
        self.size_var += (_GROWS * side) ** 2 * passed_s

    def correct(self, box: Box) -> None:
        """It is seen again, in this box."""
        x1, y1, x2, y2 = box
        error = (_SEEN * self.side) ** 2
        of_place = self.place_var / (self.place_var + error)
        of_speed = self.both_var / (self.place_var + error)
        of_size = self.size_var / (self.size_var + error)
        x_off, y_off = (x1 + x2) / 2 - self.x, (y1 + y2) / 2 - self.y
        self.x += of_place * x_off
        self.y += of_place * y_off
        self.x_speed += of_speed * x_off
        self.y_speed += of_speed * y_off
        self.speed_var -= of_speed * self.both_var
        self.place_var *= 1 - of_place
        self.both_var *= 1 - of_place
        self.width += of_size * (x2 - x1 - self.width)
        self.height += of_size * (y2 - y1 - self.height)
        self.size_var *= 1 - of_size


def overlap(one: Box, other: Box, margin: float) -> float:
    """Shared over joint area of two boxes, both made larger by so many pixels on every side.

    A margin of 0 is plain intersection over union.
    """
    wider = 2 * margin
    width = min(one[2], other[2]) - max(one[0], other[0]) + wider
    if width <= 0:
        return 0.0
    height = min(one[3], other[3]) - max(one[1], other[1]) + wider
    if height <= 0:
        return 0.0
    areas = (one[2] - one[0] + wider) * (one[3] - one[1] + wider)
    areas += (other[2] - other[0] + wider) * (other[3] - other[1] + wider)
    return width * height / max(areas - width * height, 1e-9)
