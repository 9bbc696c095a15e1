"""`farm recipes`: what the farm can do with pictures."""

from __future__ import annotations

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, table


@click.group()
def recipes() -> None:
    """What the farm can look for in pictures."""


@recipes.command("list")
@as_json
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """Show the built-in and your own recipes."""
    from nasfarm.recipe_specs import specs

    folder = session.farm().settings.recipes_folder
    known = [specs.load(folder, name) for name in specs.names(folder)]
    if as_json:
        document([{"name": recipe.name, "help": recipe.help} for recipe in known])
    else:
        table(("recipe", "what it does"), ((recipe.name, recipe.help) for recipe in known))


@recipes.command("show")
@click.argument("name")
@as_json
@click.pass_obj
def show(session: Session, name: str, as_json: bool) -> None:
    """Show a recipe's stages and what can be set with --set."""
    from nasfarm.recipe_specs import specs

    recipe = specs.load(session.farm().settings.recipes_folder, name)
    if as_json:
        document(recipe)
        return
    click.echo(f"{recipe.name}: {recipe.help}\n")
    table(("stage", "model", "looks at"), ((s.name, s.model, s.of) for s in recipe.stages))
    click.echo()
    rows = ((p.name, p.default, _range(p.least, p.most), p.help) for p in recipe.params)
    table(("--set", "default", "range", "meaning"), rows)


def _range(least: float | None, most: float | None) -> str:
    return "" if least is None or most is None else f"{least:g} to {most:g}"
