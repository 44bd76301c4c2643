"""`profilestore verify`: proof that the log is what was written."""

from __future__ import annotations

from pathlib import Path

import click

from .options import CHECK_FAILED, Context, json_option, pass_context, print_json
from .progress import progress_bar


@click.command()
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    metavar="FILE",
    help="Compare with a checkpoint that was kept elsewhere.",
)
@click.option(
    "--checkpoint",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a checkpoint, if all is well.",
)
@json_option
@pass_context
@click.pass_context
def verify(
    click_context: click.Context,
    context: Context,
    *,
    against: Path | None,
    checkpoint: Path | None,
) -> None:
    """Read the log again and prove that it is what was written.

    Exits 5 at the first fault, naming its position. Whoever may write to the database
    can make another log that is sound in itself: to find that, compare with a
    checkpoint that was kept where they cannot write.
    """
    from profilestore.domain.json_values import write_json
    from profilestore.infrastructure.upkeep.verify import verify as read_again

    with context.open_database() as database, progress_bar("verifying") as report:
        found = read_again(
            database, against=against, checkpoint=checkpoint, progress=report
        )
    if context.json:
        print_json(write_json(found.document()))
        click_context.exit(CHECK_FAILED if found.fault else 0)
    if found.fault:
        raise _FaultFound(str(found.fault))
    for sound in found.partitions:
        click.echo(
            f"partition {sound.partition}: {sound.position:,} events verified, "
            f"chain {sound.chain.hex()}"
        )


class _FaultFound(click.ClickException):
    exit_code = CHECK_FAILED
