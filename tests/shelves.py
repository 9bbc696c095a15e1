"""A package as somebody else would make it, that brings recipes, a map and reduces; "installed"."""

from __future__ import annotations

from pathlib import Path

ENTRIES = """\
[nasfarm.recipes]
shelves = their_shelves.recipes
map.shelf = their_shelves.looking:shelf
reduce.shelf_hours = their_shelves.looking:shelf_hours
reduce.shelf_breaks = their_shelves.looking:shelf_breaks
reduce.shelf_odd = their_shelves.looking:shelf_odd
reduce.shelf_gone = their_shelves.missing:none
"""

RECIPE = """\
help: Counts what stands on shelves, by the hour.
stages:
  - {name: detect, model: nanodet-g, of: image}
params:
  - {name: score, type: number, default: 0.3, least: 0.05, most: 1, help: How sure to be.}
map: shelf
reduce: shelf_hours
chunk_items: 2
max_side: 416
"""

LOOKING = '''\
import numpy

from nasfarm.core.reduced import Chart, Fact, Reduced, Table, Telling


def shelf(findings, size, recipe):
    """How many things stand in the picture; a picture of 99 pixels is too narrow for it."""
    if size[0] == 99:
        raise ValueError("too narrow a shelf")
    return {"count": int(numpy.sum([finding.score > 0 for finding in findings]))}


def shelf_hours(lines, recipe):
    hours, telling = {}, []
    for line in lines:
        if line["status"] == "ok":
            hour = line["taken_at"][:13]
            hours[hour] = hours.get(hour, 0) + line["count"]
            telling.append(Telling(line["i"], "full", float(line["count"])))
    rows = tuple(sorted(hours.items()))
    return Reduced(
        facts=(Fact("things", sum(hours.values())),),
        tables=(Table("hours", ("hour", "things"), rows),),
        charts=(Chart("hours", "time", "hours", "hour", ("things",)),),
        telling=tuple(sorted(telling, key=lambda one: -one.score)[:3]),
        notes=("Shelves were counted.",),
    )


def shelf_breaks(lines, recipe):
    return 1 / sum(0 for _ in lines)


def shelf_odd(lines, recipe):
    return Reduced(tables=(Table("hours", ("hour", "things"), ((1,),)),))
'''


def install(folder: Path) -> Path:
    """Put the package below `folder`, which then is a place to import from."""
    for name, text in (
        ("their_shelves-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: their-shelves\n"),
        ("their_shelves-1.0.dist-info/entry_points.txt", ENTRIES),
        ("their_shelves/__init__.py", ""),
        ("their_shelves/looking.py", LOOKING),
        ("their_shelves/recipes/shelves.yml", RECIPE),
        ("their_shelves/recipes/narrow.yml", "like: detect\nhelp: Narrow.\nset: {score: 0.4}\n"),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
