"""`profilestore serve`: the webhook and the query API over HTTP."""

from __future__ import annotations

from pathlib import Path

import click

from .options import Context, pass_context

PORT = 8000
MOST_WORKERS = 64


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen at.",
)
@click.option(
    "--port",
    default=PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port; 0 takes a free one.",
)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, MOST_WORKERS),
    help="Processes that serve, on PostgreSQL.",
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file with webhook_secrets and read_tokens; changes are seen at once.",
)
@click.option(
    "--allow-unsigned",
    is_flag=True,
    help="Take deliveries without a signature, on loopback only.",
)
@click.option(
    "--allow-anonymous",
    is_flag=True,
    help="Answer without a token, on loopback only.",
)
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="What is logged on standard error.",
)
@pass_context
def serve(  # noqa: PLR0913 - options, each by name
    context: Context,
    *,
    host: str,
    port: int,
    workers: int,
    config: Path | None,
    allow_unsigned: bool,
    allow_anonymous: bool,
    log_level: str,
) -> None:
    """Serve over HTTP: take the platform's webhook, answer questions, give the log.

    Secrets and tokens come from PROFILESTORE_WEBHOOK_SECRETS and
    PROFILESTORE_READ_TOKENS, or from --config. Without them all is refused.
    """
    from profilestore.infrastructure.http.app import Options
    from profilestore.infrastructure.http.keyring import Keyring, is_loopback
    from profilestore.infrastructure.http.server import serve as serve_http

    if (allow_unsigned or allow_anonymous) and not is_loopback(host):
        raise click.UsageError(
            "--allow-unsigned and --allow-anonymous are for loopback only: "
            "leave --host out"
        )
    if workers > 1 and context.url.startswith("sqlite"):
        raise click.UsageError("a SQLite store is served by one process: --workers 1")
    # What is wrong is said here, in a line, rather than in the log of a process.
    Keyring(config)
    context.open(create=True).close()
    options = Options(
        url=context.url,
        updates=context.settings.updates,
        space_updates=context.settings.space_updates,
        busy_seconds=context.settings.busy_seconds,
        config=config,
        allow_unsigned=allow_unsigned,
        allow_anonymous=allow_anonymous,
        log_level=log_level,
    )
    serve_http(
        options,
        host=host,
        port=port,
        workers=workers,
        told=lambda url: click.echo(f"serving {url}"),
    )
