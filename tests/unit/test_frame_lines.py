"""Frames in a job's files: a line each in manifest, results and exports; none for pictures."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from films import film
from jobfolders import job_of, opened_home, put_job
from nasfarm.cli.found import name
from nasfarm.core import wire
from nasfarm.core.items import Found, Frame, Item, is_video
from nasfarm.core.lines import Fault, Line
from nasfarm.intake.scan import Tally, scan
from nasfarm.jobs.export import write_csv
from nasfarm.jobs.export_boxes import write_coco, write_yolo
from nasfarm.jobs.manifest import Written, iterate, spool, write_manifest
from nasfarm.nodes.roots import root_of

PHOTO = Found("photos:a.jpg", 10, 1)
_CLIP_LINE = '{"i":%d,"item":"photos:a.mp4","bytes":1000,"mtime_ns":2,%s}'
CLIP = [Found("photos:a.mp4", 1000, 2, Frame(n, n / 25)) for n in (0, 25, 3)]


def written(folder: Path, found: Iterable[Found], done: Iterable[Found] = ()) -> Written:
    folder.mkdir(exist_ok=True)
    with spool(folder / "scratch") as spooled:
        spooled.add(found)
        spooled.drop(done)
        return write_manifest(folder / "manifest.jsonl", spooled.items())


def test_a_manifest_has_a_line_a_frame_and_counts_the_files_bytes_once(tmp_path: Path) -> None:
    manifest = written(tmp_path, [*CLIP, PHOTO, CLIP[1]])
    assert (tmp_path / "manifest.jsonl").read_text().splitlines() == [
        '{"i":0,"item":"photos:a.jpg","bytes":10,"mtime_ns":1}',
        _CLIP_LINE % (1, '"frame":{"number":0,"seconds":0.0}'),
        _CLIP_LINE % (2, '"frame":{"number":3,"seconds":0.12}'),
        _CLIP_LINE % (3, '"frame":{"number":25,"seconds":1.0}'),
    ]
    assert (manifest.items, manifest.bytes) == (4, 1010)
    frames = [item.frame for item in iterate(tmp_path / "manifest.jsonl")]
    assert frames == [None, Frame(0, 0.0), Frame(3, 0.12), Frame(25, 1.0)]


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        pytest.param([PHOTO], (1, None), id="pictures alone, as ever"),
        pytest.param([PHOTO, *CLIP], (2, 3), id="three frames"),
    ],
)
def test_a_job_with_frames_is_of_a_format_that_older_versions_leave_alone(
    tmp_path: Path, found: list[Found], wanted: tuple[int, int | None]
) -> None:
    store = opened_home(tmp_path).jobs
    manifest = written(tmp_path / "found", found)
    job = replace(job_of("detect-1", manifest.items), frames=manifest.frames)
    put_job(store, job)
    record = json.loads((store.path("detect-1") / "job.json").read_text())
    assert (record["format"], record.get("frames")) == wanted
    assert store.load("detect-1") == job


def test_other_frames_of_the_same_video_are_another_job(tmp_path: Path) -> None:
    digests = {
        written(tmp_path / str(n), some).digest
        for n, some in enumerate(([PHOTO], CLIP[:1], CLIP[:2], CLIP[1:], [Found(*whole(CLIP[0]))]))
    }
    assert len(digests) == 5


def whole(found: Found) -> tuple[str, int, int]:
    return found.item, found.bytes, found.mtime_ns


def test_only_frames_that_were_done_are_left_out(tmp_path: Path) -> None:
    other = Found("photos:a.mp4", 1000, 99, CLIP[1].frame)
    manifest = written(tmp_path, CLIP, done=[CLIP[0], other, Found(*whole(CLIP[0]))])
    assert manifest.items == 2


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        pytest.param(
            Line(7, "photos:a.mp4", frame=Frame(25, 1.0), width=4, height=3, model="m@1/int8"),
            '{"i":7,"item":"photos:a.mp4","frame":{"number":25,"seconds":1.0},"status":"ok",'
            '"width":4,"height":3,"model":"m@1/int8"}\n',
            id="good",
        ),
        pytest.param(
            Line(7, "photos:a.mp4", frame=Frame(25, 1.0), fault=Fault("decode", "broken")),
            '{"i":7,"item":"photos:a.mp4","frame":{"number":25,"seconds":1.0},"status":"error",'
            '"error":{"code":"decode","message":"broken"}}\n',
            id="failed",
        ),
        pytest.param(
            Line(7, "photos:a.jpg", fault=Fault("decode", "broken")),
            '{"i":7,"item":"photos:a.jpg","status":"error",'
            '"error":{"code":"decode","message":"broken"}}\n',
            id="a picture says nothing of frames",
        ),
    ],
)
def test_a_result_line_names_its_frame(line: Line, wanted: str) -> None:
    assert wire.line_bytes(line, 0).decode() == wanted


def test_messages_name_the_frame() -> None:
    assert Item(0, "photos:a.mp4", 1, 1, Frame(25, 1.0)).name == "photos:a.mp4, frame 25"
    assert Item(0, "photos:a.jpg", 1, 1).name == "photos:a.jpg"
    assert name({"item": "photos:a.mp4", "frame": {"number": 0, "seconds": 0.0}}).endswith(" 0")


FOUND = {"label": "person", "class_id": 0, "score": 0.9, "box": [0.0, 0.0, 2.0, 2.0]}
LINES = [
    {
        "i": n,
        "item": "photos:clips/a.mp4",
        "frame": {"number": n * 25, "seconds": float(n)},
        "status": "ok",
        "width": 4,
        "height": 4,
        "model": "m@1/int8",
        "detections": [FOUND],
    }
    for n in range(2)
]


def test_each_frame_has_its_own_file_in_coco_and_yolo(tmp_path: Path) -> None:
    out = io.BytesIO()
    write_coco(lambda: iter(LINES), out)
    names = [image["file_name"] for image in json.loads(out.getvalue())["images"]]
    assert names == ["clips/a_000000.jpg", "clips/a_000025.jpg"]
    write_yolo(lambda: iter(LINES), tmp_path / "yolo")
    folder = tmp_path / "yolo" / "photos" / "clips"
    assert sorted(path.name for path in folder.iterdir()) == ["a_000000.txt", "a_000025.txt"]


def test_a_spreadsheet_has_number_and_time_of_each_frame() -> None:
    out = io.BytesIO()
    write_csv(lambda: iter(LINES), out)
    rows = out.getvalue().decode("utf-8-sig").splitlines()
    columns = rows[0].split(",")
    cells: list[dict[str, Any]] = [
        dict(zip(columns, row.split(","), strict=True)) for row in rows[1:]
    ]
    assert [(row["frame"], row["seconds"]) for row in cells] == [("0", "0.0"), ("25", "1.0")]


# -- which videos are taken ------------------------------------------------------------------------


def scanned(top: Path, *arguments: str, every_s: float | None = None) -> tuple[list[str], int]:
    """The items found below the root `photos`, and how many files were of another type."""
    tally = Tally()
    roots = {"photos": top}
    located = scan(
        [str(top / argument) for argument in arguments],
        lambda path: root_of(Path(path), roots),
        tally,
        every_s,
    )
    names = (Item(0, one.item, 1, 1, one.frame).name.removeprefix("photos:") for one in located)
    return sorted(names), tally.other_type


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A picture, and a video of three frames in half a second."""
    film(tmp_path / "a.mp4", 3, rate=5)
    (tmp_path / "b.jpg").write_bytes(b"x")
    (tmp_path / "c.txt").write_bytes(b"x")
    return tmp_path


CLIP_NAMES = ["a.mp4, frame 0", "a.mp4, frame 1", "a.mp4, frame 2"]


@pytest.mark.parametrize(
    ("argument", "every_s", "names", "other"),
    [
        pytest.param("a.mp4", None, CLIP_NAMES, 0, id="named"),
        pytest.param("*.mp4", None, CLIP_NAMES, 0, id="meant by a pattern"),
        pytest.param("*", None, ["b.jpg"], 2, id="among others"),
        pytest.param(".", None, ["b.jpg"], 2, id="in a folder"),
        pytest.param(".", 0.0, [*CLIP_NAMES, "b.jpg"], 1, id="in a folder, every frame"),
        pytest.param(".", 0.4, ["a.mp4, frame 0", "a.mp4, frame 2", "b.jpg"], 1, id="some"),
        pytest.param("a.mp4", 9.0, ["a.mp4, frame 0"], 0, id="named, one"),
    ],
)
def test_videos_in_folders_are_taken_when_one_says_how_many_frames(
    photos: Path, argument: str, every_s: float | None, names: list[str], other: int
) -> None:
    assert scanned(photos, argument, every_s=every_s) == (names, other)


@pytest.mark.parametrize("name", ["a.MP4", "a.m4v", "b.AVI", "c.mkv", "d.mov", "e.webm", "f.x.mp4"])
def test_videos_are_known_by_their_ending(name: str) -> None:
    assert is_video(name)
    assert is_video(f"photos:folder/{name}")


@pytest.mark.parametrize("name", ["mp4", ".mp4", "a.mp4.part", "a.mp3", "a.jpg", "a.ts", "a.gif"])
def test_other_files_are_no_videos(name: str) -> None:
    assert not is_video(name)
