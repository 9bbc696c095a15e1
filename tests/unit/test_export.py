"""Exports: what a spreadsheet, pycocotools and YOLO's tools get to see."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO
from pycocotools.mask import area

from nasfarm.errors import RejectError
from nasfarm.jobs.export import Exported, Line, write_csv, write_jsonl
from nasfarm.jobs.export_boxes import write_coco, write_yolo


def ok(i: int, item: str, **fields: Any) -> dict[str, Any]:
    return {
        "i": i,
        "item": item,
        "status": "ok",
        "width": 400,
        "height": 200,
        "model": "nanodet-g@1/int8",
        **fields,
    }


def seen(label: str, class_id: int, *box: float) -> dict[str, Any]:
    return {"label": label, "class_id": class_id, "score": 0.9, "box": list(box)}


PERSON = seen("person", 0, 10.5, 20.0, 110.0, 120.2)
CAT = seen("cat", 15, 0.0, 0.0, 400.0, 200.0)
SIGN = {"text": "=出口", "score": 0.8, "polygon": [[10, 10], [50, 10], [50, 30], [10, 30]]}
LINES = [
    ok(0, "photos:2026/a.jpg", detections=[PERSON, CAT]),
    ok(1, "photos:雨.jpg", detections=[]),
    {
        "i": 2,
        "item": "photos:b.jpg",
        "status": "error",
        "error": {"code": "decode", "message": "it ends too soon"},
    },
    ok(3, "photos:caf%E9.png", detections=[PERSON]),
]


def lines() -> Iterator[Line]:
    return iter(LINES)


def rows_of(*given: Line) -> list[dict[str, str]]:
    out = io.BytesIO()
    write_csv(lambda: iter(given), out)
    return list(csv.DictReader(io.StringIO(out.getvalue().decode("utf-8-sig"))))


def coco_of(tmp_path: Path, *given: Line, labels: tuple[str, ...] = ()) -> COCO:
    path = tmp_path / "coco.json"
    with path.open("wb") as out:
        write_coco(lambda: iter(given), out, labels)
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


KIND = ok(0, "photos:a.jpg", classes=[{"label": "tabby", "score": 0.6}])
PRINT = ok(0, "photos:a.jpg", embedding=0)


def test_csv_has_a_row_for_each_class() -> None:
    (row,) = rows_of(KIND)
    assert (row["found"], row["label"], row["score"]) == ("classes", "tabby", "0.6")


@pytest.mark.parametrize("line", [KIND, PRINT], ids=["classes", "embedding"])
def test_formats_for_boxes_refuse_what_has_none(tmp_path: Path, line: Line) -> None:
    out = io.BytesIO()
    with pytest.raises(RejectError, match="for things with a box"):
        write_coco(lambda: iter([LINES[2], line]), out)
    assert out.getvalue() == b""
    with pytest.raises(RejectError, match="for things with a box"):
        write_yolo(lambda: iter([line]), tmp_path / "yolo")
    assert not (tmp_path / "yolo").exists()


def test_jsonl_is_the_lines_as_they_are() -> None:
    out = io.BytesIO()
    assert write_jsonl(lines, out) == Exported(4, 0)
    assert [json.loads(text) for text in out.getvalue().splitlines()] == LINES
    assert list(json.loads(out.getvalue().splitlines()[0])) == list(LINES[0])


def test_csv_has_a_row_for_each_finding_and_one_for_each_other_item() -> None:
    rows = rows_of(*LINES)
    assert [(row["i"], row["found"], row["label"], row["error_code"]) for row in rows] == [
        ("0", "detections", "person", ""),
        ("0", "detections", "cat", ""),
        ("1", "", "", ""),
        ("2", "", "", "decode"),
        ("3", "detections", "person", ""),
    ]
    assert (rows[0]["x1"], rows[0]["y2"], rows[0]["score"]) == ("10.5", "120.2", "0.9")
    assert rows[2]["item"] == "photos:雨.jpg"
    assert rows[3]["error"] == "it ends too soon"


def test_csv_and_coco_do_not_list_what_was_too_faint_to_be_said(tmp_path: Path) -> None:
    faint = ok(0, "photos:a.jpg", detections=[PERSON], faint=[CAT])
    assert [row["label"] for row in rows_of(faint)] == ["person"]
    assert len(coco_of(tmp_path, faint).getAnnIds()) == 1


def test_csv_begins_with_the_mark_by_which_excel_knows_utf8_and_leaves_the_file_open() -> None:
    out = io.BytesIO()
    assert write_csv(lines, out) == Exported(4, 0)
    assert out.getvalue().startswith(b"\xef\xbb\xbfi,item,status,")
    assert not out.closed


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_text_read_from_a_photo_is_never_a_formula(text: str) -> None:
    (row,) = rows_of(ok(0, "photos:a.jpg", texts=[{**SIGN, "text": text}]))
    assert row["text"] == f"'{text}"
    assert row["polygon"] == "10,10 50,10 50,30 10,30"


def test_csv_says_everything_a_recipe_may_find() -> None:
    rows = rows_of(
        ok(
            0,
            "films:a.mp4",
            frame={"number": 5, "seconds": 0.2},
            count=3,
            anomaly={"score": 0.7, "threshold": 0.5, "verdict": "defect"},
            measurements=[{"name": "width", "value": 3.1, "unit": "mm", "uncertainty": 0.1}],
        )
    )
    assert [(row["found"], row["frame"], row["seconds"]) for row in rows] == [
        ("count", "5", "0.2"),
        ("anomaly", "5", "0.2"),
        ("measurements", "5", "0.2"),
    ]
    assert rows[0]["more"] == "3"
    assert rows[1]["score"] == "0.7"
    assert json.loads(rows[1]["more"]) == {"threshold": 0.5, "verdict": "defect"}
    assert json.loads(rows[2]["more"])["unit"] == "mm"


def test_coco_loads_in_pycocotools_without_the_failed_items(tmp_path: Path) -> None:
    coco = coco_of(tmp_path, *LINES)
    assert [(i["id"], i["file_name"]) for i in coco.loadImgs(coco.getImgIds())] == [
        (0, "2026/a.jpg"),
        (1, "雨.jpg"),
        (3, "caf%E9.png"),
    ]
    assert {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())} == {1: "person", 16: "cat"}
    (cat,) = coco.loadAnns(coco.getAnnIds(catIds=[16]))
    assert cat["bbox"] == [0, 0, 400, 200]
    assert (cat["area"], cat["iscrowd"], cat["score"], cat["image_id"]) == (80000, 0, 0.9, 0)
    first = coco.loadAnns(coco.getAnnIds(imgIds=[0], catIds=[1]))[0]
    assert first["bbox"] == [10.5, 20, 99.5, 100.2]
    assert first["id"] == 1


def test_coco_counts_what_it_leaves_out() -> None:
    assert write_coco(lines, io.BytesIO()) == Exported(3, 1)


def test_coco_of_nothing_is_still_a_document(tmp_path: Path) -> None:
    coco = coco_of(tmp_path, LINES[2])
    assert (coco.getImgIds(), coco.getAnnIds(), coco.getCatIds()) == ([], [], [])


def test_coco_can_name_every_class_of_the_model(tmp_path: Path) -> None:
    coco = coco_of(tmp_path, LINES[1], labels=("person", "bicycle"))
    assert {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())} == {
        1: "person",
        2: "bicycle",
    }


def test_texts_become_outlines_of_one_category(tmp_path: Path) -> None:
    coco = coco_of(tmp_path, ok(0, "photos:a.jpg", texts=[SIGN]))
    (note,) = coco.loadAnns(coco.getAnnIds())
    assert note["bbox"] == [10, 10, 40, 20]
    assert note["area"] == 800
    assert area(coco.annToRLE(note)) == pytest.approx(800, rel=0.05)
    assert note["text"] == "=出口"


def test_two_names_for_one_class_are_refused() -> None:
    given = [ok(0, "photos:a.jpg", detections=[PERSON], texts=[SIGN])]
    with pytest.raises(RejectError, match="both 'person' and 'text'"):
        write_coco(lambda: iter(given), io.BytesIO())


def test_yolo_writes_a_file_for_each_image_and_the_names_of_the_classes(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert write_yolo(lines, folder) == Exported(3, 1)
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert found == {
        "classes.txt",
        "photos/2026/a.txt",
        "photos/雨.txt",
        "photos/caf%E9.txt",
    }
    rows = [row.split() for row in (folder / "photos/2026/a.txt").read_text().splitlines()]
    assert rows[0] == ["0", "0.150625", "0.350500", "0.248750", "0.501000"]
    assert rows[1] == ["15", "0.500000", "0.500000", "1.000000", "1.000000"]
    assert (folder / "photos/雨.txt").read_text() == ""
    names = (folder / "classes.txt").read_text().splitlines()
    assert (len(names), names[0], names[1], names[15]) == (16, "person", "class_1", "cat")


def test_yolo_keeps_pictures_of_one_stem_and_frames_of_one_film_apart(tmp_path: Path) -> None:
    given = [
        ok(0, "photos:a.jpg"),
        ok(1, "photos:a.png"),
        *(ok(2 + n, "photos:a.mp4", frame={"number": n, "seconds": 0.0}) for n in (0, 12)),
    ]
    write_yolo(lambda: iter(given), tmp_path)
    assert {p.name for p in (tmp_path / "photos").iterdir()} == {
        "a.txt",
        "a.png.txt",
        "a_000000.txt",
        "a_000012.txt",
    }


def test_yolo_refuses_a_folder_that_holds_files(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(RejectError, match="holds files already"):
        write_yolo(lines, tmp_path)


@pytest.mark.parametrize(
    "item", ["photos:../../x.jpg", "photos:/etc/x.jpg", "../a:x.jpg", "photos:"]
)
def test_yolo_writes_nothing_outside_its_folder(tmp_path: Path, item: str) -> None:
    with pytest.raises(RejectError, match="no address within a root"):
        write_yolo(lambda: iter([ok(0, item)]), tmp_path / "out")
    assert [p.name for p in tmp_path.rglob("*")] == ["out"]


@pytest.mark.parametrize("write", [write_jsonl, write_csv, write_coco])
def test_many_lines_are_never_held_in_memory(write: Any) -> None:
    def many() -> Iterator[Line]:
        return (ok(i, f"photos:{i:07d}.jpg", detections=[PERSON, CAT]) for i in range(4_000))

    with open("/dev/null", "wb") as out:
        tracemalloc.start()
        write(many, out)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak_bytes < 400_000
