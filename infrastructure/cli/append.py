"""`profilestore append`: deliveries from files and pipes into the store."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import Context, json_option, pass_context, print_json
from .progress import progress_bar

if TYPE_CHECKING:
    from profilestore.domain.receipt import Receipt

QUARANTINED = 3


@click.command()
@click.argument(
    "files",
    nargs=-1,
    type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True),
    metavar="[FILE]...",
)
@click.option("--strict", is_flag=True, help="Exit 3 if anything was quarantined.")
@json_option
@pass_context
@click.pass_context
def append(
    click_context: click.Context,
    context: Context,
    *,
    files: tuple[str, ...],
    strict: bool,
) -> None:
    """Append deliveries: NDJSON, a JSON array, or any number of JSON objects.

    FILE may be compressed with gzip or zstd; - or none is standard input. Appending the
    same events again is safe: they count as duplicates.
    """
    from profilestore.domain.errors import StorageError
    from profilestore.domain.json_values import write_json
    from profilestore.domain.receipt import Receipt

    total = Receipt()
    with ExitStack() as open_files:
        streams = [
            sys.stdin.buffer
            if name == "-"
            else open_files.enter_context(Path(name).open("rb"))
            for name in files or ("-",)
        ]
        store = open_files.enter_context(context.open(create=True))
        for name, stream in zip(files or ("-",), streams, strict=True):
            done, size = total, _size(name)
            with progress_bar(_ingress(name)) as report:

                def keep(receipt: Receipt) -> None:
                    nonlocal total
                    total = done + receipt  # noqa: B023 - called within this turn
                    read = stream.tell() if size else 0  # noqa: B023
                    report(read, size, f"{receipt.received:,} events")  # noqa: B023

                try:
                    store.append_stream(stream, ingress=_ingress(name), progress=keep)
                except StorageError as error:
                    error.add_note(_so_far(total))
                    raise
    if context.json:
        print_json(write_json(asdict(total)))
    else:
        from .render_store import receipt_line

        click.echo(receipt_line(total))
    if strict and total.quarantined:
        click_context.exit(QUARANTINED)


def _ingress(name: str) -> str:
    return "stdin" if name == "-" else f"file:{Path(name).name}"


def _size(name: str) -> int | None:
    """Say how many bytes there are to read, if that can be known."""
    return None if name == "-" else Path(name).stat().st_size or None


def _so_far(total: Receipt) -> str:
    return (
        f"{total.received} events were dealt with before; append the same input again "
        "to go on, what is stored counts as duplicate"
    )
