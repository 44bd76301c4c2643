"""`profilestore quarantine`: what could not be accepted, and why."""

from __future__ import annotations

import sys
from base64 import b64encode
from typing import TYPE_CHECKING

import click

from .options import Context, json_option, pass_context, print_json

if TYPE_CHECKING:
    from profilestore.infrastructure.log.quarantine import QuarantineEntry


@click.group()
@json_option
def quarantine() -> None:
    """See the events that could not be accepted."""


@quarantine.command("list")
@json_option
@pass_context
def list_(context: Context) -> None:
    """List the entries, oldest first."""
    from profilestore.domain.json_values import write_json

    with context.open() as store:
        entries = list(store.quarantine.entries())
    if context.json:
        print_json(write_json([_document(entry) for entry in entries]))
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

    with context.open() as store:
        entry = store.quarantine.entry(id_)
    if raw:
        sys.stdout.buffer.write(entry.rejection.text)
        sys.stdout.buffer.flush()
    elif context.json:
        print_json(write_json(_document(entry) | _bytes(entry.rejection.text)))
    else:
        from .render_store import render_entry

        render_entry(entry)


def _document(entry: QuarantineEntry) -> dict[str, object]:
    from profilestore.domain.timestamps import format_timestamp

    rejection = entry.rejection
    space, profile_id = rejection.profile or (None, None)
    return {
        "id": entry.id,
        "reason": rejection.reason,
        "problems": [problem._asdict() for problem in rejection.problems],
        "ingress": entry.ingress,
        "firstAt": format_timestamp(entry.first_at),
        "lastAt": format_timestamp(entry.last_at),
        "deliveries": entry.deliveries,
        "apiSpaceId": space,
        "profileId": profile_id,
        "eventId": rejection.event_id,
        "name": rejection.name,
        "size": len(rejection.text),
    }


def _bytes(text: bytes) -> dict[str, str]:
    try:
        return {"text": text.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(text).decode()}
