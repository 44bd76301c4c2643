"""The command `profilestore`: its commands, its errors and their exit codes."""

import os
import sys
from io import TextIOWrapper
from typing import NoReturn

import click

from .answers import blame, deletion, devices, history, show
from .append import append
from .backup import backup
from .compare import diff, explain
from .copy_to import copy_to
from .doctor import doctor
from .export import export
from .init import init
from .many import count, list_
from .options import Context, json_option
from .quarantine import quarantine
from .read_models import check, rebuild
from .serve import serve
from .stats import stats
from .verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="profilestore")
@click.option(
    "--database",
    metavar="URL",
    help="The store, sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE.  "
    "[env: PROFILESTORE_DATABASE; default: sqlite:///profilestore.db]",
)
@json_option
@click.pass_context
def profilestore(context: click.Context, database: str | None) -> None:
    """Store profile events; ask what a profile is, was, and was known to be.

    Exit codes: 0 done, 1 unexpected, 2 usage, 3 quarantined with --strict, 4 not found,
    5 a check failed, 6 the database cannot be reached or written, 130 interrupted.
    """
    context.ensure_object(Context).database = database


for command in (
    append,
    show,
    deletion,
    devices,
    history,
    diff,
    blame,
    explain,
    list_,
    count,
    export,
    quarantine,
    stats,
    rebuild,
    check,
    init,
    backup,
    copy_to,
    doctor,
    verify,
    serve,
):
    profilestore.add_command(command)


def main() -> NoReturn:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = profilestore.main(standalone_mode=False, prog_name="profilestore")
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has gone, as with `| head`: nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = error.exit_code
    except (click.exceptions.Exit, click.ClickException) as error:
        code = error.exit_code
        if isinstance(error, click.ClickException):
            _say(error.format_message())
    except (Exception, click.Abort, KeyboardInterrupt) as error:  # noqa: BLE001 - judged there
        code = _failed(error)
    sys.exit(code if isinstance(code, int) else 0)


def _failed(error: BaseException) -> int:
    """Say what went wrong in a line; what nobody expected is raised on."""
    from .errors import exit_code

    known = exit_code(error)
    if known is None:
        raise error
    notes = getattr(error, "__notes__", [])
    _say("; ".join([str(error) or "interrupted", *notes]))
    return known


def _say(message: str) -> None:
    line = " ".join(message.split())
    click.echo(f"{click.style('profilestore:', fg='red')} {line}", err=True)
