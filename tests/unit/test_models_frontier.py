"""Which photos serve what, how much of a model stays FP32, and when a variant may be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nasfarm.core.models import PinnedModel
from nasfarm.core.nodes import NodeReport
from nasfarm.core.recipes import ResolvedRecipe, ResolvedStage
from nasfarm.errors import RejectError
from nasfarm.nodes.vnni import has_vnni
from nasfarm.plan.suited import check_suited
from nasfarm_models.agreement.classes import ClassAgreement
from nasfarm_models.compare import Agreement, Speed
from nasfarm_models.quantize.frontier import RangeKind, explore, lengths
from nasfarm_models.quantize.gates import OwnLabels, judged
from nasfarm_models.quantize.split import LEAST, MOST, split
from nasfarm_models.quantize.truth import own_boxes, own_classes

FAST = Speed(10.0, 15.0, 1.5, 0.02)
SLOW = Speed(20.0, 15.0, 0.75, 0.02)


def boxes(ap50: float) -> Agreement:
    return Agreement(images=10, boxes=50, ap50=ap50)


def classes(top1: float, sure: float) -> Agreement:
    return Agreement(images=10, classes=ClassAgreement(10, top1, 5, sure))


def photos(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number}.jpg" for number in range(count)]
    for path in paths:
        path.write_text(path.name)
    return paths


def test_photos_are_dealt_the_same_way_and_none_serves_twice(tmp_path: Path) -> None:
    paths = photos(tmp_path, 50)
    found = split(paths)
    assert found == split(list(reversed(paths)))
    assert [len(each) for each in (found.calibrate, found.choose, found.judge)] == [30, 10, 10]
    assert len({*found.calibrate, *found.choose, *found.judge}) == 50


def test_copies_and_what_is_no_photo_do_not_count(tmp_path: Path) -> None:
    paths = photos(tmp_path, LEAST)
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(paths[0].read_bytes())
    found = split([*paths, copy])
    assert sum(len(each) for each in (found.calibrate, found.choose, found.judge)) == LEAST
    with pytest.raises(RejectError, match="4 different photos can be read, at least 5"):
        split([*paths, copy], usable=lambda path: path != paths[1])


def test_of_very_many_photos_a_part_is_taken(tmp_path: Path) -> None:
    found = split(photos(tmp_path, MOST + 40))
    assert sum(len(each) for each in (found.calibrate, found.choose, found.judge)) == MOST


@pytest.mark.parametrize("convolutions", [1, 4, 34, 49, 500])
def test_the_lengths_grow_up_to_half_of_the_model(convolutions: int) -> None:
    found = lengths(convolutions)
    assert found[0] == 0
    assert list(found) == sorted(set(found))
    assert found[-1] <= convolutions // 2
    assert len(found) <= 20


def test_the_fp32_run_grows_until_two_lengths_in_a_row_hold() -> None:
    figures = {0: 0.95, 3: 0.995, 5: 0.98, 7: 0.992, 9: 0.993, 11: 0.999}
    tried, best = explore(34, lambda kept, _kind: boxes(figures[kept]))
    assert [each.kept for each in tried] == [0, 3, 5, 7, 9]
    assert (best.kept, best.ranges) == (9, "full")


def test_searched_ranges_are_tried_where_full_ones_never_hold() -> None:
    def measure(kept: int, kind: RangeKind) -> Agreement:
        return boxes(0.99 if kind == "searched" and kept else 0.9)

    _, best = explore(20, measure)
    assert (best.kept, best.ranges) == (5, "searched")


def test_where_nothing_holds_the_best_is_taken_to_be_judged() -> None:
    tried, best = explore(20, lambda kept, kind: boxes(0.9 + kept / 1000 - (kind == "full") / 500))
    assert best.kept == max(each.kept for each in tried)
    assert best.ranges == "searched"


@pytest.mark.parametrize(
    ("agreement", "speed", "reason"),
    [
        pytest.param(boxes(0.985), FAST, "", id="boxes-at-the-gate"),
        pytest.param(boxes(0.984), FAST, "pooled AP50 0.984, wanted 0.985", id="boxes-below"),
        pytest.param(boxes(0.999), SLOW, "not faster than FP32 here: 0.75", id="slower"),
        pytest.param(classes(0.96, 0.99), FAST, "", id="classes-at-the-gate"),
        pytest.param(classes(0.95, 1.0), FAST, "same class 0.950", id="classes-below"),
        pytest.param(classes(0.99, 0.98), FAST, "FP32 is sure 0.980", id="sure-classes-below"),
    ],
)
def test_a_variant_is_active_only_where_it_is_right_and_faster(
    agreement: Agreement, speed: Speed, reason: str
) -> None:
    verdict = judged(agreement, speed, None)
    assert verdict.active == (not reason)
    assert reason in "; ".join(verdict.reasons)


def test_the_users_own_labels_decide_where_there_are_any() -> None:
    good = OwnLabels("AP50", 40, fp32=0.6, variant=0.595)
    assert judged(boxes(0.9), FAST, good).active
    bad = OwnLabels("AP50", 40, fp32=0.6, variant=0.55)
    assert not judged(boxes(1.0), FAST, bad).active
    assert not judged(boxes(0.9), SLOW, good).active


def test_coco_labels_are_read_by_file_name(tmp_path: Path) -> None:
    place = tmp_path / "instances.json"
    said = {
        "images": [{"id": 7, "file_name": "train/a.jpg"}, {"id": 8, "file_name": "b.jpg"}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "unicorn"}],
        "annotations": [
            {"image_id": 7, "category_id": 1, "bbox": [1, 2, 10, 20]},
            {"image_id": 7, "category_id": 2, "bbox": [1, 2, 10, 20]},
        ],
    }
    place.write_text(json.dumps(said))
    found = own_boxes(place, ["cat", "dog"])
    assert [(each.box, each.label) for each in found["a.jpg"]] == [((1, 2, 11, 22), "cat")]
    assert found["b.jpg"] == []
    place.write_text("[]")
    with pytest.raises(RejectError, match="not COCO JSON"):
        own_boxes(place, ["cat"])


def test_class_labels_come_as_folders_or_as_a_table(tmp_path: Path) -> None:
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "cat" / "a.jpg").touch()
    path = str((tmp_path / "photos" / "cat" / "a.jpg").resolve())
    assert own_classes(tmp_path / "photos", ["dog", "cat"]) == {path: 1}
    table = tmp_path / "labels.csv"
    table.write_text("file,label\nx/a.jpg,dog\nb.jpg, cat\n")
    assert own_classes(table, ["dog", "cat"]) == {"a.jpg": 0, "b.jpg": 1}
    with pytest.raises(RejectError, match="names of the model's classes, such as 'horse'"):
        own_classes(table, ["horse"])


def node(name: str, *, vnni: bool, paused: str = "") -> NodeReport:
    return NodeReport(name, "b", "0", 1, (), (), (), paused=paused, vnni=vnni)


def test_a_variant_for_vnni_is_refused_while_a_node_lacks_it() -> None:
    def recipe(variant: str) -> ResolvedRecipe:
        pinned = PinnedModel("m", "1", variant, "0" * 64)
        return ResolvedRecipe("r", "detect", (ResolvedStage("s", pinned, "image"),), {}, 1, 0)

    with pytest.raises(RejectError, match=r"m@1/int8-vnni is right only .* which old has"):
        check_suited(recipe("int8-vnni"), [node("new", vnni=True), node("old", vnni=False)])
    check_suited(recipe("int8"), [node("old", vnni=False)])
    check_suited(recipe("int8-vnni"), [node("old", vnni=False, paused="by hand")])


def test_vnni_is_read_from_what_the_system_says(tmp_path: Path) -> None:
    for number, (text, there) in enumerate(
        [
            ("flags\t\t: fpu avx_vnni\n", True),
            ("flags : avx2\n", False),
            ("Features : asimd", False),
        ]
    ):
        place = tmp_path / str(number)
        place.write_text(text)
        assert has_vnni(place) == there
    assert not has_vnni(tmp_path / "none")
