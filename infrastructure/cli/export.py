"""`profilestore export`: everything held on one profile."""

from __future__ import annotations

import click

from .options import Context, json_option, pass_context, print_json


@click.command()
@click.argument("space")
@click.argument("profile")
@click.option(
    "--events", is_flag=True, help="Only the events' exact texts, fit for append."
)
@json_option
@pass_context
def export(context: Context, /, space: str, profile: str, *, events: bool) -> None:
    """Export everything held on PROFILE as one JSON document."""
    from profilestore.domain.json_values import write_json
    from profilestore.infrastructure.bundle import export as gather

    with context.open() as store:
        bundle = gather(store, space, profile)
    if events:
        for event in bundle["events"]:
            print_json(event["text"].encode())
    else:
        print_json(write_json(bundle))
