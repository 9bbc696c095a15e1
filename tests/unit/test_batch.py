"""Views and batches: what is found in a tensor lies where it was in the picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from nasfarm.core.findings import Finding
from nasfarm.core.models import InputSpec
from nasfarm.errors import UnknownNameError
from nasfarm_workers.pixels import Picture, View
from nasfarm_workers.runtime.batch import batches
from nasfarm_workers.runtime.views import by_picture, crops, whole

LETTERBOX = InputSpec("letterbox", 416, 320, "bgr", (10.0, 20.0, 30.0), (2.0, 4.0, 5.0))
SIDES = InputSpec(
    "sides",
    0,
    0,
    "rgb",
    (127.5, 127.5, 127.5),
    (127.5, 127.5, 127.5),
    {"least_side": 736, "most_side": 2000, "multiple": 32},
)
STRIP = InputSpec("strip", 320, 48, "rgb", (127.5,) * 3, (127.5,) * 3, {"wider": 1})
NARROW = InputSpec("strip", 192, 48, "rgb", (127.5,) * 3, (127.5,) * 3, {"wider": 0})


def plain(width: int, height: int, colour: tuple[int, int, int] = (200, 100, 50)) -> Picture:
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    pixels[:] = colour
    return Picture(pixels, width, height)


def views_of(*sizes: tuple[int, int]) -> list[View]:
    return whole([plain(*size) for size in sizes])


def with_dot(width: int, height: int, x: int, y: int, shrink: int = 1) -> Picture:
    """Black with one white square around (x, y) of the original, decoded at 1/shrink."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[y - 8 : y + 8, x - 8 : x + 8] = 255
    small = Image.fromarray(pixels).resize(
        (width // shrink, height // shrink), Image.Resampling.BOX
    )
    return Picture(np.asarray(small), width, height)


def test_a_letterbox_is_centred_on_black() -> None:
    [batch] = batches(views_of((208, 80)), LETTERBOX, 8)
    assert batch.tensor.shape == (1, 3, 320, 416)
    assert batch.tensor.dtype == np.float32
    # Blue, green, red, each by its own mean and deviation; 208 × 80 becomes 416 × 160.
    np.testing.assert_allclose(batch.tensor[0, :, 160, 208], [20.0, 20.0, 34.0])
    np.testing.assert_allclose(batch.tensor[0, :, 79, 208], [-5.0, -5.0, -6.0])
    np.testing.assert_allclose(batch.tensor[0, :, 80, 0], [20.0, 20.0, 34.0])
    np.testing.assert_allclose(batch.tensor[0, :, 240, 208], [-5.0, -5.0, -6.0])


@pytest.mark.parametrize("spec", [LETTERBOX, SIDES], ids=["letterbox", "sides"])
@pytest.mark.parametrize("shrink", [1, 2])
@pytest.mark.parametrize(
    "size",
    [
        pytest.param((1000, 800), id="wide"),
        pytest.param((600, 1200), id="tall"),
        pytest.param((2600, 240), id="very wide"),
        pytest.param((240, 2600), id="very tall"),
        pytest.param((120, 100), id="small"),
    ],
)
def test_seen_says_where_an_original_pixel_lies(
    spec: InputSpec, shrink: int, size: tuple[int, int]
) -> None:
    x, y = size[0] // 4 * 3, size[1] // 3
    [batch] = batches(whole([with_dot(*size, x, y, shrink)]), spec, 1)
    [seen] = batch.seen
    assert (seen.width, seen.height, seen.finding) == (*size, None)
    bright = batch.tensor[0, 0] - batch.tensor[0, 0].min()
    rows, columns = np.indices(bright.shape) + 0.5
    column, row = (bright * columns).sum() / bright.sum(), (bright * rows).sum() / bright.sum()
    assert column == pytest.approx(seen.left + x * seen.scale_x, abs=1)
    assert row == pytest.approx(seen.top + y * seen.scale_y, abs=1)


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        pytest.param((1280, 960), (960, 1280), id="fits"),
        pytest.param((1000, 750), (736, 992), id="rounded to a multiple"),
        pytest.param((400, 300), (736, 992), id="short side enlarged"),
        pytest.param((4000, 3000), (1504, 1984), id="long side reduced"),
        pytest.param((1600, 100), (736, 2944), id="a strip is padded first"),
        pytest.param((100, 1600), (2944, 736), id="a tall strip too"),
        pytest.param((1, 1), (736, 736), id="one pixel"),
        pytest.param((2000, 1), (736, 2944), id="a line"),
    ],
)
def test_sides_keep_within_the_limits(size: tuple[int, int], shape: tuple[int, int]) -> None:
    [batch] = batches(views_of(size), SIDES, 1)
    assert batch.tensor.shape[2:] == shape


def test_pictures_of_one_shape_share_a_batch_and_keep_their_rows() -> None:
    sizes = [(1280, 960), (960, 1280), (1280, 960), (1280, 960), (960, 1280)]
    made = list(batches(views_of(*sizes), SIDES, 2))
    assert [batch.rows for batch in made] == [(0, 2), (3,), (1, 4)]
    assert all(batch.tensor.shape[0] == len(batch.rows) == len(batch.seen) for batch in made)
    assert [batch.seen[0].width for batch in made] == [1280, 1280, 960]


def test_no_views_make_no_batch() -> None:
    assert list(batches([], STRIP, 8)) == []


def test_an_unknown_kind_of_input_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="letterbox"):
        list(batches(views_of((9, 9)), InputSpec("leterbox", 9, 9, "rgb", (0,) * 3, (1,) * 3), 1))


def test_strips_are_padded_with_zero_on_the_right() -> None:
    [batch] = batches(views_of((200, 96)), STRIP, 1)
    assert batch.tensor.shape == (1, 3, 48, 320)
    assert np.all(batch.tensor[0, 0, :, :100] == np.float32((200 - 127.5) / 127.5))
    assert np.all(batch.tensor[0, :, :, 100:] == 0)


@pytest.mark.parametrize(
    ("spec", "size", "width"),
    [
        pytest.param(STRIP, (100, 48), 320, id="at least the model's width"),
        pytest.param(STRIP, (330, 48), 384, id="a step wider"),
        pytest.param(STRIP, (384, 48), 384, id="just a step"),
        pytest.param(NARROW, (900, 48), 192, id="squeezed"),
        pytest.param(STRIP, (9000, 1), 4800, id="never endless"),
    ],
)
def test_strips_grow_in_steps(spec: InputSpec, size: tuple[int, int], width: int) -> None:
    [batch] = batches(views_of(size), spec, 1)
    assert batch.tensor.shape[3] == width


def test_a_strip_does_not_depend_on_its_neighbours() -> None:
    views = views_of((100, 48), (900, 48), (310, 48), (320, 30))
    alone = {place: next(batches([view], STRIP, 1)).tensor[0] for place, view in enumerate(views)}
    made = list(batches(views, STRIP, 8))
    assert sorted(row for batch in made for row in batch.rows) == [0, 1, 2, 3]
    assert len(made) == 3
    for batch in made:
        for row, tensor in zip(batch.rows, batch.tensor, strict=True):
            assert np.array_equal(tensor, alone[row])


def colours(pixels: np.ndarray) -> list[int]:
    """Which of the bands of `banded` the four quarters of `pixels` show."""
    height, width = pixels.shape[:2]
    return [
        int(pixels[y, x, 0])
        for y in (height // 4, 3 * height // 4)
        for x in (width // 4, 3 * width // 4)
    ]


def banded(width: int, height: int, shrink: int = 1) -> Picture:
    """Grey 40, 80 above 120, 160, in quarters, within the middle half of a black picture."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    ys, xs = (height // 4, height // 2, 3 * height // 4), (width // 4, width // 2, 3 * width // 4)
    pixels[ys[0] : ys[1], xs[0] : xs[1]] = 40
    pixels[ys[0] : ys[1], xs[1] : xs[2]] = 80
    pixels[ys[1] : ys[2], xs[0] : xs[1]] = 120
    pixels[ys[1] : ys[2], xs[1] : xs[2]] = 160
    return Picture(pixels[::shrink, ::shrink], width, height)


@pytest.mark.parametrize("shrink", [1, 2])
@pytest.mark.parametrize(
    ("finding", "size", "wanted"),
    [
        pytest.param(Finding((200, 100, 600, 300), 1.0), (400, 200), [40, 80, 120, 160], id="box"),
        pytest.param(
            Finding(
                (200, 100, 600, 300),
                1.0,
                polygon=((200, 100), (600, 100), (600, 300), (200, 300)),
                turned=True,
            ),
            (400, 200),
            [160, 120, 80, 40],
            id="upside down",
        ),
    ],
)
def test_a_crop_shows_what_the_finding_marks(
    shrink: int, finding: Finding, size: tuple[int, int], wanted: list[int]
) -> None:
    [view] = crops([banded(800, 400, shrink)], [[finding]])
    assert view.finding is finding
    assert (view.seen_width, view.seen_height) == size
    assert view.pixels.shape[1::-1] == (size[0] // shrink, size[1] // shrink)
    assert colours(view.pixels) == wanted


def test_a_tall_crop_is_laid_flat() -> None:
    [view] = crops([banded(400, 800)], [[Finding((100, 200, 300, 600), 1.0)]])
    assert (view.seen_width, view.seen_height) == view.pixels.shape[1::-1] == (400, 200)
    assert colours(view.pixels) == [80, 160, 40, 120]


def test_a_slanted_crop_is_pulled_straight() -> None:
    picture = banded(800, 400)
    slanted = np.asarray(Image.fromarray(picture.pixels).rotate(15, Image.Resampling.BICUBIC))
    angle = np.deg2rad(-15)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    upright = np.array([(200, 100), (600, 100), (600, 300), (200, 300)]) - (400, 200)
    polygon = tuple((float(x), float(y)) for x, y in upright @ turn.T + (400, 200))
    [view] = crops([Picture(slanted, 800, 400)], [[Finding((0, 0, 1, 1), 1.0, polygon=polygon)]])
    assert np.abs(np.array(view.pixels.shape[:2]) - (200, 400)).max() <= 1
    assert np.abs(np.array(colours(view.pixels)) - [40, 80, 120, 160]).max() <= 2


@pytest.mark.parametrize(
    "box", [(5, 5, 5, 5), (0, 0, 800, 0), (799, 399, 800, 400)], ids=["point", "line", "corner"]
)
def test_a_crop_has_at_least_a_pixel(box: tuple[float, float, float, float]) -> None:
    [view] = crops([banded(800, 400)], [[Finding(box, 1.0)]])
    assert min(view.pixels.shape[:2]) >= 1
    assert min(view.seen_width, view.seen_height) >= 1


def test_crops_of_all_pictures_come_in_order_and_go_back_to_their_owner() -> None:
    findings = [[Finding((0, 0, 50, 10), 0.1)], [], [Finding((0, 0, x, 9), 0.2) for x in (20, 30)]]
    views = crops([plain(100, 50)] * 3, findings)
    assert [view.owner for view in views] == [0, 2, 2]
    rows = [(view.finding,) if view.finding else () for view in views]
    assert by_picture(views, rows, 3) == [tuple(found) for found in findings]
    assert by_picture(views, [(), rows[1], ()], 3) == [(), (), rows[1]]
