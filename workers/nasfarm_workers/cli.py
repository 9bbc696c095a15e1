"""`farm worker`, the node agent and one slot's process; `farm tune` and `bench`, measuring it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, number_of, say, table


@click.command()
@click.option("--slot", type=int, hidden=True, help="Be the worker process of this slot.")
@click.option("--slots", type=int, default=1, hidden=True, help="How many slots there are.")
@click.option("--boot", default="", hidden=True, help="The agent's life that started it.")
@click.pass_context
def worker(ctx: click.Context, slot: int | None, slots: int, boot: str) -> None:
    """Lend this machine's cores to the farm: the service that runs batches."""
    from nasfarm import api, log

    # A slot's agent has seen to the home's format.
    farm: api.Farm = ctx.obj.upgraded() if slot is None else ctx.obj.farm()
    settings = farm.settings
    if slot is not None:
        from nasfarm_workers.slot import run_slot

        log.setup(settings.log_level, settings.logs_folder / f"slot{slot}.pool.jsonl")
        run_slot(settings, slot, slots, boot, farm.broker.url)
    else:
        from nasfarm_workers.agent import run_agent

        log.setup(settings.log_level, settings.logs_folder / "agent.jsonl")
        run_agent(settings, farm.home, farm.broker)


@click.command()
@click.argument("names", metavar="[MODEL]...", nargs=-1)
@click.option("--seconds", type=click.FloatRange(min=1), default=120, show_default=True,
              help="About how long it may take in all.")  # fmt: skip
@as_json
@click.pass_context
def tune(ctx: click.Context, names: tuple[str, ...], seconds: float, as_json: bool) -> None:
    """Measure which batch size and how many cores a slot are fastest on this machine, and keep it.

    MODEL is NAME, NAME@VERSION or NAME/VARIANT; without one, every model of the home is tuned whose
    input has one size. What is found counts here until the processor or ONNX Runtime changes.
    """
    # ONNX Runtime's wheel reports its use to its maker unless told before it is imported.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from nasfarm.core.wire import plain
    from nasfarm.registry.store import ModelStore
    from nasfarm_workers.tuning.machine import keep
    from nasfarm_workers.tuning.tune import slots_by_way, subjects, tune_all

    settings = ctx.obj.farm().settings
    store = ModelStore(settings.models_folder)
    found = subjects(store, settings.local_models, names)
    tuning = tune_all(found, slots_by_way(settings.cores_wanted), seconds, say)
    keep(settings.state_dir, tuning)
    if as_json:
        document(plain(tuning))
        return
    rows = [
        (model, each.default_batch, each.batch, each.default_images_per_s, each.images_per_s)
        for model, each in tuning.models.items()
    ]
    table(("model", "batch before", "now", "images/s before", "now"), rows)
    say(f"{number_of(tuning.threads, 'core')} a slot, by {tuning.provider}.")
    say("It counts from the farm's next start here: farm down, then farm up --detach")


@click.command()
@click.option("--recipe", default="detect", show_default=True, help="What to measure it with.")
@click.option("--photos", type=click.Path(exists=True, path_type=Path), metavar="FOLDER",
              help="JPEG files of yours, instead of the sample photos in full HD.")  # fmt: skip
@click.option("--images", type=click.IntRange(min=8),
              help="Pictures in each round (default: some seconds' work).")  # fmt: skip
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True,
              help="How often the limit and the farm are measured, by turns.")  # fmt: skip
@as_json
@click.pass_obj
def bench(
    session: Session, recipe: str, photos: Path | None, images: int | None, rounds: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Compare this farm with the fastest this machine can do, and see where the time goes.

    The fastest is a plain loop without a queue, retries or results. It is the farm running here
    that is measured, or, where none does, one that is started for it and leaves nothing behind.
    """
    from nasfarm_workers.bench.measure import Wish, measure

    found = measure(session.farm(), Wish(recipe, photos, images, rounds), say)
    if as_json:
        document(found.document())
        return
    table(
        ("", "images/s", "lowest", "highest"),
        [(name, *(round(each, 2) for each in (rate.median, min(rate.values), max(rate.values))))
         for name, rate in (("the limit", found.limit), ("this farm", found.farm))],
    )  # fmt: skip
    click.echo(f"\n{found.model}: the farm gets {found.ratio.median:.1%} of the limit.\n")
    total = sum(found.steps_ms.values())
    table(
        ("step", "ms an image", "share"),
        [(step, round(cost, 2), f"{cost / total:.1%}") for step, cost in found.steps_ms.items()],
    )
    if found.noisy:
        say("The machine was busy with other things: the rounds differ by more than 10 %.")
