"""`profilestore copy-to`: the whole store into another database."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict

import click

from .options import Context, json_option, pass_context, print_json, refuse_memory
from .progress import progress_bar


@click.command("copy-to")
@click.argument("url")
@json_option
@pass_context
def copy_to(context: Context, *, url: str) -> None:
    """Copy the store into the empty database at URL, of either engine.

    The store may be in use: what was acknowledged before is copied.
    """
    from profilestore.domain.json_values import write_json
    from profilestore.infrastructure.log.database import Database
    from profilestore.infrastructure.log.urls import parse_url, shown
    from profilestore.infrastructure.upkeep.copying import copy_store

    refuse_memory(url, "URL")
    where = shown(parse_url(url))
    busy_seconds = context.settings.busy_seconds
    store = Database.open(context.url, create=False, busy_seconds=busy_seconds)
    with closing(store):
        target = Database.connect(url, busy_seconds=busy_seconds)
        with closing(target), progress_bar("copying") as report:
            done = copy_store(store, target, report)
    if context.json:
        print_json(write_json(asdict(done)))
    else:
        click.echo(
            f"{done.events:,} events of {done.profiles:,} profiles copied to {where}"
        )
