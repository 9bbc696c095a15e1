"""`farm worker`: the node agent, and, as the agent starts it, one slot's worker process."""

from __future__ import annotations

import click


@click.command()
@click.option("--slot", type=int, hidden=True, help="Be the worker process of this slot.")
@click.option("--slots", type=int, default=1, hidden=True, help="How many slots there are.")
@click.option("--boot", default="", hidden=True, help="The agent's life that started it.")
@click.pass_context
def worker(ctx: click.Context, slot: int | None, slots: int, boot: str) -> None:
    """Lend this machine's cores to the farm: the service that runs batches."""
    from nasfarm import api, log

    farm: api.Farm = ctx.obj.farm()
    settings = farm.settings
    if slot is not None:
        from nasfarm_workers.slot import run_slot

        log.setup(settings.log_level, settings.logs_folder / f"slot{slot}.pool.jsonl")
        run_slot(settings, slot, slots, boot, farm.broker.url)
    else:
        from nasfarm_workers.agent import run_agent

        log.setup(settings.log_level, settings.logs_folder / "agent.jsonl")
        run_agent(settings, farm.home, farm.broker)
