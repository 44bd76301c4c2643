"""`profilestore backup`: a copy of a SQLite store in one file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from .options import Context, json_option, pass_context, print_json
from .progress import progress_bar


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
@pass_context
def backup(context: Context, *, file: Path) -> None:
    """Copy a SQLite store to FILE, which must be new, while it is in use.

    What was acknowledged before is in it; it is checked, and synced to disk.
    """
    from profilestore.domain.json_values import write_json
    from profilestore.infrastructure.log.database import Database
    from profilestore.infrastructure.upkeep.backup import back_up

    busy_seconds = context.settings.busy_seconds
    store = Database.connect(context.url, create=False, busy_seconds=busy_seconds)
    with closing(store), progress_bar("backing up") as report:
        done = back_up(store, file, report)
    if context.json:
        document = {"file": str(file), "events": done.events, "bytes": done.bytes}
        print_json(write_json(document))
    else:
        click.echo(f"{done.events:,} events in {done.bytes:,} bytes at {file}")
