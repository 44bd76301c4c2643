"""`profilestore quarantine`: what could not be accepted, and why."""

from __future__ import annotations

import os
import sys
from getpass import getuser

import click

from .options import Context, json_option, pass_context, print_json


def _user() -> str:
    """Say who runs this: a container may have no name for it."""
    try:
        return getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


@click.group()
@json_option
def quarantine() -> None:
    """See the events that could not be accepted."""


@quarantine.command("list")
@click.option("--all", "settled", is_flag=True, help="Also what was settled.")
@json_option
@pass_context
def list_(context: Context, *, settled: bool) -> None:
    """List the entries that wait for a decision, oldest first."""
    from profilestore.domain.json_values import write_json
    from profilestore.infrastructure.bundle import entry_document

    with context.open() as store:
        entries = list(store.quarantine.entries(settled=settled))
    if context.json:
        print_json(write_json([entry_document(e, whole=False) for e in entries]))
    else:
        from .render_store import render_quarantine

        render_quarantine(entries)


@quarantine.command()
@click.argument("id_", metavar="ID")
@click.option("--raw", is_flag=True, help="Print the exact bytes and nothing else.")
@json_option
@pass_context
def show(context: Context, id_: str, *, raw: bool) -> None:
    """Show the entry whose id is, or begins with, ID."""
    from profilestore.domain.json_values import write_json
    from profilestore.infrastructure.bundle import entry_document

    if raw and context.json:
        raise click.UsageError("give --raw or --json, not both")
    with context.open() as store:
        entry = store.quarantine.entry(id_)
    if raw:
        sys.stdout.buffer.write(entry.rejection.text)
        sys.stdout.buffer.flush()
    elif context.json:
        print_json(write_json(entry_document(entry)))
    else:
        from .render_store import render_entry

        render_entry(entry)


@quarantine.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--dry-run", is_flag=True, help="Tell what would happen, do nothing.")
@json_option
@pass_context
def replay(context: Context, *, ids: tuple[str, ...], dry_run: bool) -> None:
    """Append the entries again: those named, or all that wait for a decision."""
    from profilestore.domain.json_values import write_json

    with context.open() as store:
        outcomes = store.quarantine.replay(ids or None, by=_user(), dry_run=dry_run)
    if context.json:
        print_json(write_json([{"id": i, "outcome": o} for i, o in outcomes]))
        return
    for id_, outcome in outcomes:
        click.echo(f"{id_[:12]}  {'would be ' if dry_run else ''}{outcome}")
    if not outcomes:
        click.echo("nothing is in quarantine")


@quarantine.command()
@click.argument("id_", metavar="ID")
@click.option("--why", required=True, help="The reason, which is kept.")
@click.option("--by", default=_user, help="Who decides.  [default: you]")
@click.option("--purge", is_flag=True, help="Forget the bytes, too.")
@json_option
@pass_context
def discard(context: Context, *, id_: str, why: str, by: str, purge: bool) -> None:
    """Decide that an entry is not wanted; the decision is kept, as are the bytes."""
    from profilestore.domain.json_values import write_json
    from profilestore.infrastructure.bundle import entry_document

    with context.open() as store:
        entry = store.quarantine.discard(id_, by=by, why=why, purge=purge)
    if context.json:
        print_json(write_json(entry_document(entry, whole=False)))
    else:
        click.echo(f"{entry.id[:12]}  discarded{' and purged' if purge else ''}")
