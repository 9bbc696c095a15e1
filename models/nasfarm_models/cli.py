"""`farm models …`: what models there are, fetch one, list and show those of a home."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nasfarm.cli.show import as_json, document, say, table
from nasfarm.core.models import ModelRef
from nasfarm.core.wire import plain
from nasfarm.errors import UnknownNameError
from nasfarm.registry.store import ModelStore
from nasfarm.upgrade import refuse_newer
from nasfarm_models.cache import Cache, user_cache_folder
from nasfarm_models.catalog import SAMPLE_PHOTOS, Entry, entries
from nasfarm_models.pull import pull

if TYPE_CHECKING:
    from nasfarm_models.quantize.engine import VariantName


def _home_store(context: click.Context) -> ModelStore:
    """The home's models; the root command has put the settings into the context."""
    settings = context.obj.farm().settings
    refuse_newer(settings.home)
    return ModelStore(settings.models_folder)


def _cache() -> Cache:
    return Cache(user_cache_folder())


@click.group()
def models() -> None:
    """Find, fetch and look at models."""


@models.command()
@as_json
def catalog(as_json: bool) -> None:
    """Show the models that can be fetched, and where they come from."""
    cache = _cache()
    known = entries()
    if as_json:
        document([_catalog_document(entry, cache.has(entry)) for entry in known])
        return
    rows = [
        (entry.name, "yes" if cache.has(entry) else "no", entry.licence, entry.help)
        for entry in known
    ]
    table(("name", "fetched", "licence", "what it does"), rows)
    say("Fetch one with: farm models pull NAME")


def _catalog_document(entry: Entry, cached: bool) -> dict[str, Any]:
    return {
        "name": entry.name,
        "help": entry.help,
        "licence": entry.licence,
        "licence_note": entry.licence_note,
        "source": str(entry.source),
        "download_mb": entry.source.download_mb,
        "models": [f"{each.name}@{each.version}" for each in entry.models],
        "cached": cached,
    }


@models.command("pull")
@click.argument("names", nargs=-1, required=True)
@click.option("--to-cache-only", is_flag=True, help="Fetch and make them, but put them in no home.")
@as_json
@click.pass_context
def pull_command(
    context: click.Context, names: tuple[str, ...], to_cache_only: bool, as_json: bool
) -> None:
    """Fetch models of the catalogue, make them ready, and put them into the home."""
    home = None if to_cache_only else _home_store(context)
    done = pull(names, entries(), _cache(), home, say)
    if as_json:
        document(done)
        return
    said = {"made": "fetched and made", "cached": "from the cache", "there": "was there already"}
    table(
        ("model", "version", "", "folder"),
        [(each.name, each.version, said[each.state], each.folder) for each in done],
    )


@models.command()
@click.argument("name")
@click.option(
    "--calibrate",
    "photos",
    type=click.Path(path_type=Path),
    required=True,
    help="A folder with photos like those the model will see; 150 or more are good.",
)
@click.option(
    "--variant",
    type=click.Choice(["int8", "int8-vnni", "dynamic", "fp16"]),
    default="int8",
    show_default=True,
    help="int8 suits every processor, int8-vnni those with VNNI; the others are to be measured.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path, exists=True),
    help="Your own labels: COCO JSON, a folder for each class, or a CSV of file and class.",
)
@as_json
@click.pass_context
def quantize(
    context: click.Context,
    name: str,
    photos: Path,
    variant: VariantName,
    labels: Path | None,
    as_json: bool,
) -> None:
    """Make a smaller and faster variant of a model with your photos, where it stays right."""
    # As in `pull`: set before ONNX Runtime is imported, and imported only by who needs it.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from nasfarm_models.quantize.report import lines
    from nasfarm_models.requantize import requantize

    ref = ModelRef.parse(name) or ModelRef(name)
    done = requantize(_home_store(context), ref, variant, photos, labels, say)
    if as_json:
        document(done)
        return
    table(("", done.report.model), list(lines(done.report)))
    if done.published:
        say(f"Published as {done.published}, beside the earlier versions.")
    else:
        say("Nothing was published; what is in use stays in use.")


@models.command("list")
@as_json
@click.pass_context
def list_command(context: click.Context, as_json: bool) -> None:
    """List the home's models with their versions and variants."""
    store = _home_store(context)
    found = {name: _versions(store, name) for name in store.names()}
    if as_json:
        document([{"name": name, "versions": versions} for name, versions in found.items()])
        return
    table(
        ("model", "version", "aliases", "variants"),
        [
            (name, each["version"], " ".join(each["aliases"]), " ".join(each["variants"]))
            for name, versions in found.items()
            for each in versions
        ],
    )
    if not found:
        say("There are none yet. Fetch one with: farm models pull nanodet-g")


def _versions(store: ModelStore, name: str) -> list[dict[str, Any]]:
    versions = store.versions(name)
    return [
        {
            "version": version,
            "aliases": ["champion"] if version == versions[-1] else [],
            "variants": sorted(store.manifest(name, version).variants),
        }
        for version in versions
    ]


@models.command()
@click.argument("name")
@as_json
@click.pass_context
def show(context: click.Context, name: str, as_json: bool) -> None:
    """Show one model: where it comes from, licence, input, variants. NAME may be NAME@VERSION."""
    facts = _photo_facts() if name == SAMPLE_PHOTOS else _facts(_home_store(context), name)
    if as_json:
        document(facts)
        return
    for title, value in _flat(facts):
        click.echo(f"{title:<26} {value}")


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Nested facts as lines: `input.width 416`."""
    for key, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            yield prefix + key, " ".join(str(each) for each in value)
        else:
            yield prefix + key, value


def _facts(store: ModelStore, name: str) -> dict[str, Any]:
    pinned = store.pin(ModelRef.parse(name) or ModelRef(name))
    manifest = store.manifest(pinned.name, pinned.version)
    return {
        **plain(manifest),
        "champion": store.versions(pinned.name)[-1],
        "versions": list(store.versions(pinned.name)),
        "labels": len(store.labels(pinned.name, pinned.version)),
        "folder": str(store.version_folder(pinned.name, pinned.version)),
    }


def _photo_facts() -> dict[str, Any]:
    entry = next(each for each in entries() if each.name == SAMPLE_PHOTOS)
    files: tuple[Path, ...] = _cache().photos(entry)
    if not files:
        raise UnknownNameError(
            f"{_cache().photo_folder}: the sample photos are not there. "
            f"Run `farm models pull {SAMPLE_PHOTOS}`."
        )
    return {
        "name": entry.name,
        "licence": entry.licence,
        "licence_note": entry.licence_note,
        "source": str(entry.source),
        "files": [str(path) for path in files],
    }
