"""`farm recipes`: what the farm can do with pictures."""

from __future__ import annotations

from pathlib import Path

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, table
from nasfarm.core.recipes import Param
from nasfarm.errors import RejectError


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
    known = [(name, _help(folder, name)) for name in specs.names(folder)]
    if as_json:
        document([{"name": name, "help": help_} for name, help_ in known])
    else:
        table(("recipe", "what it does"), known)


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
    rows = ((p.name, p.default, _range(p), p.help) for p in recipe.params)
    table(("--set", "default", "range", "meaning"), rows)
    shapes = [("zones", recipe.zones), ("lines", recipe.lines)]
    for kind, drawn in shapes:
        if drawn:
            click.echo(f"\n{kind}: {', '.join(drawn)}")


@recipes.command("check")
@click.argument("recipe", metavar="NAME|FILE")
@as_json
@click.pass_obj
def check(session: Session, recipe: str, as_json: bool) -> None:
    """Read a recipe, by its name or its file, and say what is wrong with it and how to write it."""
    from nasfarm.recipe_specs import specs
    from nasfarm.registry.store import ModelStore

    settings = session.farm().settings
    named = Path(recipe)
    is_file = named.name != recipe or named.suffix in (".yml", ".yaml")
    found = specs.load_file(named) if is_file else specs.load(settings.recipes_folder, recipe)
    models = ModelStore(settings.models_folder)
    lacking = specs.examine(found, models.pin, models.labels)
    if as_json:
        document({"name": found.name, "help": found.help, "models_missing": lacking})
        return
    click.echo(f"{found.name}: in order. {found.help}")
    for model, why in lacking.items():
        click.echo(f"Its model {model} is not in this home: {why}")
    if is_file and named.resolve().parent != settings.recipes_folder.resolve():
        click.echo(f"To use it: cp {recipe} {settings.recipes_folder}/")


def _help(folder: Path, name: str) -> str:
    from nasfarm.recipe_specs import specs

    try:
        return specs.load(folder, name).help
    except RejectError:
        return f"(cannot be read; what is wrong: farm recipes check {name})"


def _range(param: Param) -> str:
    if param.choices:
        return ", ".join(param.choices)
    least, most = param.least, param.most
    return "" if least is None or most is None else f"{least:g} to {most:g}"
