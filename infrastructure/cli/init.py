"""`profilestore init`: the schema made, or brought up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .options import Context, json_option, pass_context, print_json

if TYPE_CHECKING:
    from profilestore.infrastructure.log.schema import Prepared

MOST_PARTITIONS = 1024


@click.command()
@click.option(
    "--partitions",
    type=click.IntRange(1, MOST_PARTITIONS),
    metavar="N",
    help="Logs of a new store, fixed for ever.  [default: 1]",
)
@json_option
@pass_context
def init(context: Context, *, partitions: int | None) -> None:
    """Create the schema of a store, or upgrade an older one.

    It is safe to run again, and by several processes at once.
    """
    from profilestore.domain.json_values import write_json
    from profilestore.infrastructure.log.urls import parse_url, shown
    from profilestore.infrastructure.store import ProfileStore

    done = ProfileStore.init(context.url, partitions=partitions)
    if context.json:
        document = {
            "schema": done.schema,
            "upgradedFrom": done.upgraded_from,
            "partitions": done.partitions,
            "created": done.created,
        }
        print_json(write_json(document))
    else:
        click.echo(_line(done, shown(parse_url(context.url))))


def _line(done: Prepared, where: str) -> str:
    logs = f"{done.partitions} partition{'s' if done.partitions > 1 else ''}"
    if done.created:
        return f"made a store with {logs} at {where}"
    if done.upgraded_from:
        return f"upgraded {where} from schema {done.upgraded_from} to {done.schema}"
    return f"{where} is up to date: schema {done.schema}, {logs}"
