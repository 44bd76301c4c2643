"""`profilestore stats`: what the store holds."""

from __future__ import annotations

import click

from .options import Context, json_option, pass_context, print_json


@click.command()
@json_option
@pass_context
def stats(context: Context) -> None:
    """Count events, profiles, API spaces, quarantine and log positions."""
    from profilestore.domain.json_values import write_json

    with context.open() as store:
        counts = store.stats()
    if context.json:
        print_json(write_json(counts))
    else:
        from .render_store import render_stats

        render_stats(counts)
