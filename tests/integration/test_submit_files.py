"""Every file a NAS may hold: those that must work, those that get an error line, odd names."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features

from farmyard import Farmyard
from nasfarm.core.items import split_address
from pictures import heic, picture, pictures, png_bomb

WIDTH, HEIGHT = 512, 400
"""The astronaut's picture without its lower edge: not square, so that a wrong turn shows."""


def by_name(yard: Farmyard, job_id: str) -> dict[str, dict[str, Any]]:
    lines = yard.lines(job_id)
    return {os.fsdecode(os.path.basename(split_address(line["item"])[1])): line for line in lines}


def sixteen_bit(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def faded(image: Image.Image) -> Image.Image:
    layer = image.convert("RGBA")
    layer.putalpha(250)
    return layer


def rotated(image: Image.Image, path: Path) -> None:
    """Lying on its side, with the EXIF tag that turns it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(path, quality=95, exif=exif)


KINDS: dict[str, Callable[[Image.Image, Path], None]] = {
    "plain.png": lambda image, path: image.save(path),
    "plain.jpg": lambda image, path: image.save(path, quality=95),
    "progressive.jpg": lambda image, path: image.save(path, quality=95, progressive=True),
    "cmyk.jpg": lambda image, path: image.convert("CMYK").save(path, quality=95),
    "grey.jpg": lambda image, path: image.convert("L").save(path, quality=95),
    "rotated.jpg": rotated,
    "palette.png": lambda image, path: image.quantize(256).save(path),
    "alpha.png": lambda image, path: faded(image).save(path),
    "greyalpha.png": lambda image, path: faded(image).convert("LA").save(path),
    "sixteen.png": lambda image, path: sixteen_bit(image).save(path),
    "sixteen.tif": lambda image, path: sixteen_bit(image).save(path),
    "plain.tiff": lambda image, path: image.save(path, compression="tiff_lzw"),
    "cmyk.tif": lambda image, path: image.convert("CMYK").save(path),
    "plain.gif": lambda image, path: image.save(path),
    "moving.gif": lambda image, path: image.save(
        path, save_all=True, append_images=[Image.new("RGB", image.size)]
    ),
    "plain.webp": lambda image, path: image.save(path, quality=95),
    "lossless.webp": lambda image, path: faded(image).save(path, lossless=True),
    "plain.bmp": lambda image, path: image.save(path),
    "wrong-ending.png": lambda image, path: image.save(path, "JPEG", quality=95),
}


def test_every_kind_of_picture_shows_the_same_astronaut(
    common_farm: Farmyard, folder: Path, samples: dict[str, Path]
) -> None:
    with Image.open(samples["astronaut.png"]) as image:
        astronaut = image.convert("RGB").crop((0, 0, WIDTH, HEIGHT))
    for name, save in KINDS.items():
        save(astronaut, folder / name)
    answer = common_farm.submit(folder, "--recipe", "detect")
    lines = by_name(common_farm, answer["job_id"])
    assert (answer["ok"], answer["errors"]) == (len(KINDS), 0), lines
    for name, line in lines.items():
        assert (line["width"], line["height"]) == (WIDTH, HEIGHT), name
        assert line["detections"], name
        assert line["detections"][0]["label"] == "person", name
        wanted = lines["plain.png"]["detections"][0]["box"]
        assert overlap(line["detections"][0]["box"], wanted) > 0.8, name


def overlap(one: list[float], other: list[float]) -> float:
    """Intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, width) * max(0.0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both)


NAMES = [
    "雨の日 写真.jpg".encode(),
    b"caf\xe9.jpg",
    b"\xff\xfe\x80.jpg",
    b"line\nbreak\r.jpg",
    b"100%.jpg",
    b"%41%0a.jpg",
    b" spaces  .jpg",
    b"-rf.jpg",
    b"--recipe=x.jpg",
    b"quote'\"`$(x);&.jpg",
    b"back\\slash*?[1].jpg",
    b"root:colon.jpg",
    "e\u0301 \u202fAM \u2028 \U0001f468\u200d\U0001f469.jpg".encode(),
    b"x" * 251 + b".jpg",
]


def test_every_name_a_disk_can_hold_works(common_farm: Farmyard, folder: Path) -> None:
    for name in NAMES:
        picture(folder / os.fsdecode(name))
        picture(folder / os.fsdecode(b"folder " + name[-240:]) / "x.jpg")
    answer = common_farm.submit(folder, "--recipe", "detect")
    assert (answer["items"], answer["ok"]) == (2 * len(NAMES), 2 * len(NAMES))
    content = (common_farm.home / "jobs" / answer["job_id"] / "results.jsonl").read_bytes()
    assert content.count(b"\n") == 2 * len(NAMES)
    paths = [split_address(item)[1] for item in items(common_farm, answer["job_id"])]
    below = os.fsencode(folder.name) + b"/"
    assert set(paths) == {below + name for name in NAMES} | {
        below + b"folder " + name[-240:] + b"/x.jpg" for name in NAMES
    }
    named = common_farm.run(
        "submit", "--recipe", "detect", "--dry-run", "--json", "--", *map(os.fsdecode, NAMES),
        cwd=folder,
    )  # fmt: skip
    assert (named.code, named.json["items"]) == (0, len(NAMES))


def items(yard: Farmyard, job_id: str) -> list[str]:
    ran = yard.ok("results", job_id)
    return [json.loads(line)["item"] for line in ran.out.split("\n")[:-1]]


def test_each_broken_file_gets_its_own_error_line(
    common_farm: Farmyard, folder: Path, samples: dict[str, Path]
) -> None:
    whole = picture(folder / "whole.jpg").read_bytes()
    rocket = samples["rocket.jpg"].read_bytes()
    astronaut = samples["astronaut.png"].read_bytes()
    avif_reads = features.check("avif")
    files = {
        "truncated.jpg": (rocket[: len(rocket) // 2], "decode"),
        "truncated.png": (astronaut[: len(astronaut) // 2], "decode"),
        "head-only.jpg": (rocket[:20], "decode"),
        "empty.jpg": (b"", "decode"),
        "text.jpg": (b"Dear diary, this is no picture.\n", "decode"),
        "zeros.png": (bytes(4096), "decode"),
        "bomb.png": (png_bomb(), "too_large"),
        "unreadable.jpg": (whole, "forbidden"),
        "phone.heic": (heic(), "decode"),
        "raw.nef": (b"II*\x00" + bytes(512), "unsupported"),
        "raw.cr3": (bytes(512), "unsupported"),
        "modern.jxl": (b"\xff\x0a" + bytes(64), "unsupported"),
        "broken.avif": (bytes(64), "decode" if avif_reads else "unsupported"),
    }
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    (folder / "unreadable.jpg").chmod(0o000)
    ran = common_farm.run("submit", folder, "--recipe", "detect", "--wait", "--json")
    assert (ran.code, ran.json["state"]) == (1, "done"), ran.err
    assert (ran.json["ok"], ran.json["errors"]) == (1, len(files))
    lines = by_name(common_farm, ran.json["job_id"])
    assert lines["whole.jpg"]["status"] == "ok"
    assert {name: lines[name]["error"]["code"] for name in files} == {
        name: code for name, (_, code) in files.items()
    }
    for name in files:
        assert list(lines[name]) == ["i", "item", "status", "error"]
        assert list(lines[name]["error"]) == ["code", "message"]
    failed = common_farm.ok("failed", ran.json["job_id"], "--json").json
    assert [line["i"] for line in failed] == sorted(
        line["i"] for line in lines.values() if line["status"] == "error"
    )

    # Named outright, a broken file is a picture all the same.
    named = common_farm.run(
        "submit",
        folder / "empty.jpg",
        folder / "text.jpg",
        "--recipe",
        "detect",
        "--wait",
        "--json",
    )
    assert (named.code, named.json["errors"]) == (1, 2)


def test_retry_runs_only_what_failed_and_keeps_the_rest(
    common_farm: Farmyard, folder: Path
) -> None:
    pictures(folder, 12)
    for name in ("0003.jpg", "0007.jpg"):
        (folder / name).chmod(0o000)
    first = common_farm.submit(folder, "--recipe", "detect")
    assert (first["ok"], first["errors"]) == (10, 2)
    (folder / "0003.jpg").chmod(0o644)
    assert common_farm.ok("retry", first["job_id"], "--json").json["items"] == 2
    end = common_farm.run("wait", first["job_id"], "--json")
    assert (end.code, end.json["ok"], end.json["errors"]) == (1, 11, 1)
    lines = common_farm.lines(first["job_id"])
    assert [line["i"] for line in lines] == list(range(12))
    assert [line["i"] for line in lines if line["status"] == "error"] == [7]


def test_pictures_of_several_roots_make_one_job(
    common_farm: Farmyard, folder: Path, tmp_path: Path
) -> None:
    second = tmp_path / "scans"
    pictures(second, 3)
    pictures(folder, 3)
    common_farm.ok("roots", "add", "a-scans", second)
    answer = common_farm.submit(folder, second, "--recipe", "detect")
    roots = [line["item"].partition(":")[0] for line in common_farm.lines(answer["job_id"])]
    assert roots == ["a-scans"] * 3 + ["photos"] * 3
    assert answer["ok"] == 6
