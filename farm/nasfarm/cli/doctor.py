"""`farm doctor`: what is wrong here, and the command that mends it."""

from __future__ import annotations

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, say, table


@click.command()
@click.option("--service", type=click.Choice(["broker", "worker", "watch", "serve", "flower"]),
              help="Only whether this service works here, at once; for health checks.")  # fmt: skip
@as_json
@click.pass_obj
@click.pass_context
def doctor(ctx: click.Context, session: Session, service: str | None, as_json: bool) -> None:
    """Check this machine and the farm. Exit status: 0 healthy, 1 warnings, 2 broken."""
    from nasfarm.core.checks import worst

    if service is None:
        from nasfarm.doctor import examine

        checks = examine(session.farm())
    else:
        from nasfarm.service_checks import look_at_service

        checks = [look_at_service(session.settings(), service)]
    if as_json:
        document(checks)
    else:
        table(
            ("", "what", "where", "found"),
            ((each.level, each.what, each.where, each.found) for each in checks),
        )
        for each in checks:
            if each.mend:
                say(f"{each.what} {each.where}: {each.mend}")
    ctx.exit(worst(checks))
