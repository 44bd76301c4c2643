"""The command `profilestore`: its commands, its errors and their exit codes."""

import os
import sys
from typing import NoReturn

import click

from .answers import blame, deletion, devices, history, show
from .append import append
from .compare import diff, explain
from .options import Context, json_option
from .quarantine import quarantine
from .stats import stats


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="profilestore")
@click.option(
    "--database",
    metavar="URL",
    help="The store, sqlite:///FILE.  [env: PROFILESTORE_DATABASE; "
    "default: sqlite:///profilestore.db]",
)
@json_option
@click.pass_context
def profilestore(context: click.Context, database: str | None) -> None:
    """Store profile events; ask what a profile is, was, and was known to be.

    Exit codes: 0 done, 1 unexpected, 2 usage, 3 quarantined with --strict, 4 not found,
    5 a check failed, 6 the database cannot be reached or written.
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
    quarantine,
    stats,
):
    profilestore.add_command(command)


def main() -> NoReturn:
    """Run the command line and exit."""
    try:
        code = profilestore.main(standalone_mode=False, prog_name="profilestore")
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has gone, as with `| head`: nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except click.exceptions.Exit as exit_:
        code = exit_.exit_code
    except click.ClickException as error:
        code = _fail(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        code = _fail("interrupted; what was reported is stored", 130)
    except Exception as error:
        from .errors import exit_code

        known = exit_code(error)
        if known is None:
            raise
        notes = getattr(error, "__notes__", [])
        code = _fail("; ".join([str(error), *notes]), known)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> int:
    line = " ".join(message.split())
    click.echo(f"{click.style('profilestore:', fg='red')} {line}", err=True)
    return code
