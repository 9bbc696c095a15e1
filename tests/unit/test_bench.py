"""The benchmark's arithmetic, its book of keys, its photos, and the limit it measures against."""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bench.book import Book, asked
from nasfarm.core.models import InputSpec
from nasfarm.core.wire import plain
from nasfarm.errors import RejectError
from nasfarm_workers.bench.photos import enlarged, linked
from nasfarm_workers.bench.rates import limit_program, limit_rate
from nasfarm_workers.bench.rounds import Rounds, in_turn, ratios, there_and_back
from nasfarm_workers.pixels import Blob, Picture
from nasfarm_workers.runtime.batch import batches, least_scale
from nasfarm_workers.runtime.decode import decode
from nasfarm_workers.runtime.views import whole

LETTERBOX = InputSpec("letterbox", 416, 416, "bgr", (103.5, 116.3, 123.7), (57.4, 57.1, 58.4))
CENTRE = InputSpec("centre", 224, 224, "rgb", (127, 127, 127), (128, 128, 128), {"keep": 0.875})


# -- arithmetic --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "median", "spread", "noisy"),
    [
        pytest.param((2.0,), 2.0, 0.0, False, id="one round says nothing of noise"),
        pytest.param((10.0, 10.4, 10.9), 10.4, 0.9 / 10.4, False, id="quiet"),
        pytest.param((10.0, 9.9, 11.0), 10.0, 0.11, True, id="noisy"),
        pytest.param((-0.2, 0.0, 0.1), 0.0, 0.0, False, id="around nothing"),
        pytest.param((-1.0, -2.0), -1.5, 2 / 3, True, id="below nothing"),
    ],
)
def test_rounds_come_to_a_median_and_a_spread(
    values: tuple[float, ...], median: float, spread: float, noisy: bool
) -> None:
    rounds = Rounds(values)
    assert (rounds.median, rounds.noisy) == (median, noisy)
    assert rounds.spread == pytest.approx(spread)


def test_a_slow_round_of_both_sides_falls_out_of_their_ratio() -> None:
    assert ratios([9.0, 4.5, 9.0], [10.0, 5.0, 10.0]).values == (0.9, 0.9, 0.9)


def test_there_and_back_a_machine_that_slows_down_favours_nobody() -> None:
    """Each run is slower than the one before it; both ways are as fast as each other."""
    runs = iter(range(100))

    def rate() -> float:
        return 1 / (1 + 0.1 * next(runs))

    ways = {"one": rate, "other": rate}
    for number, values in there_and_back(ways, 3):
        assert values["one"] == pytest.approx(values["other"])
        first = 4 * number
        assert values["one"] == pytest.approx(2 / (2 + 0.1 * (first + first + 3)))


def test_measures_take_turns_and_change_places() -> None:
    order: list[str] = []
    measures = {name: lambda name=name: float(len(order.append(name) or order)) for name in "ab"}
    found = list(in_turn(measures, 3))
    assert "".join(order) == "abbaab"
    assert found[1] == (1, {"b": 3.0, "a": 4.0})


# -- the book of keys --------------------------------------------------------------------------


def test_a_run_of_one_key_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    first = Book(path)
    first.open()
    first.keep("ratios", "farm/limit nanodet-g", Rounds((0.9, 0.95, 0.96)))
    first.figure("single_p50_s", [0.2])
    second = Book(path, asked("farm/limit, submit_"))
    second.open()
    second.keep("ratios", "farm/limit nanodet-g", Rounds((0.97,)))
    second.figure("single_p50_s", [99])
    kept = json.loads(path.read_text())
    assert kept["ratios"] == {"farm/limit nanodet-g": 0.97}
    assert kept["figures"] == {"single_p50_s": 0.2}
    assert kept["rounds"]["farm/limit nanodet-g"] == [0.97]


def test_a_key_is_on_disk_as_soon_as_it_is_known(tmp_path: Path) -> None:
    book = Book(tmp_path / "bench.json")
    book.open()
    book.figure("broker_mb", [1.23456, 1.5, 2.0])
    kept = json.loads(book.path.read_text())
    assert kept["figures"] == {"broker_mb": 1.5}
    assert kept["spread"] == {"broker_mb": 0.51}
    assert book.noisy() == ["broker_mb"]


@pytest.mark.parametrize(
    ("only", "keys", "wanted"),
    [
        pytest.param("", ("anything",), True, id="nothing asked is everything"),
        pytest.param("limit", ("farm/naive x", "farm/limit x"), True, id="part of one of them"),
        pytest.param("limit x", ("farm/limit y",), False, id="another model"),
        pytest.param(" a , b ", ("cab",), True, id="one of several"),
        pytest.param(" , ", ("cab",), True, id="only commas"),
    ],
)
def test_keys_are_asked_for_by_parts(only: str, keys: tuple[str, ...], wanted: bool) -> None:
    assert Book(Path("unused"), asked(only)).wants(*keys) is wanted


# -- the limit ---------------------------------------------------------------------------------


def test_the_limit_is_short_and_has_nothing_of_ours() -> None:
    text = limit_program().read_text()
    assert text.count("\n") <= 80
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(text))
        for name in (
            [each.name for each in node.names] if isinstance(node, ast.Import)
            else [node.module or "."] if isinstance(node, ast.ImportFrom) else []
        )
    }  # fmt: skip
    foreign = imported - set(sys.stdlib_module_names)
    assert foreign == {"cv2", "numpy", "onnxruntime", "simplejpeg"}


@pytest.fixture(scope="module")
def limit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("limit", limit_program())
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def gradient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smooth picture with noise, as a PNG of 400 × 300."""
    import cv2

    y, x = np.mgrid[0:300, 0:400]
    waves = [127 + 100 * np.sin(x / 40 + n) * np.cos(y / 30) for n in range(3)]
    path = tmp_path_factory.mktemp("photo") / "waves.png"
    cv2.imwrite(str(path), np.stack(waves, axis=2).astype(np.uint8))
    return path


@pytest.mark.parametrize("spec", [LETTERBOX, CENTRE], ids=lambda spec: spec.kind)
@pytest.mark.parametrize("size", [(1920, 1080), (900, 1200), (300, 200)], ids=str)
def test_the_limit_sees_what_the_farm_sees(
    limit: ModuleType, gradient: Path, tmp_path: Path, spec: InputSpec, size: tuple[int, int]
) -> None:
    (photo,) = enlarged([gradient], tmp_path, size, 1)
    content = photo.read_bytes()
    picture = decode(Blob(content), "p.jpg", enough=lambda w, h: least_scale(spec, w, h))
    assert isinstance(picture, Picture)
    (batch,) = batches(whole([picture]), spec, 1)
    table = (np.arange(256)[None] - np.array(spec.mean)[:, None]) / np.array(spec.std)[:, None]
    row = np.zeros((3, spec.height, spec.width), np.float32)
    row += table.astype(np.float32)[:, 0, None, None]
    limit.lay(row, content, plain(spec), table.astype(np.float32))
    assert np.abs(row - batch.tensor[0]).mean() * max(spec.std) < 3


def test_the_limit_knows_only_whole_pictures(tmp_path: Path) -> None:
    strip = InputSpec("strip", 320, 48, "rgb", (0, 0, 0), (1, 1, 1))
    with pytest.raises(RejectError, match="farm bench --recipe detect"):
        limit_rate([], tmp_path / "no.onnx", strip, [0])


# -- photos ------------------------------------------------------------------------------------


def test_the_same_sources_give_the_same_varied_photos(gradient: Path, tmp_path: Path) -> None:
    one, other = (enlarged([gradient], tmp_path / name, (640, 480), 4) for name in "ab")
    contents = [path.read_bytes() for path in one]
    assert contents == [path.read_bytes() for path in other]
    assert len(set(contents)) == 4
    many = linked(one, tmp_path / "many", 10)
    assert [path.read_bytes() for path in many] == (contents * 3)[:10]
    assert many[0].stat().st_nlink == 4


def test_what_is_no_photo_cannot_be_enlarged(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("bread, milk")
    with pytest.raises(RejectError, match="none of 1 files is a photo"):
        enlarged([tmp_path / "list.txt"], tmp_path / "out", (640, 480), 1)
