"""What the commands share: the store to open and the form of the output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from datetime import datetime

    from profilestore.infrastructure.log.database import Database
    from profilestore.infrastructure.settings import Settings
    from profilestore.infrastructure.store import ProfileStore

POSITION_DIGITS = 19

CHECK_FAILED = 5
"""Exit code of a command that found something wrong in the store."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Context:
    """The options given before the command."""

    database: str | None = None
    json: bool = False

    @cached_property
    def settings(self) -> Settings:
        """The settings of the environment."""
        from profilestore.infrastructure.settings import Settings

        return Settings.from_environment()

    @property
    def url(self) -> str:
        """The URL of the store, of the options or the environment."""
        url = self.database or self.settings.database
        refuse_memory(url, "--database")
        return url

    def open(self, *, create: bool = False) -> ProfileStore:
        """Open the store of the options and the environment."""
        from profilestore.infrastructure.store import ProfileStore

        return ProfileStore.open(
            self.url,
            updates=self.settings.updates,
            space_updates=self.settings.space_updates,
            busy_seconds=self.settings.busy_seconds,
            create=create,
        )

    @contextmanager
    def open_database(self) -> Iterator[Database]:
        """Open the database of the store alone, to look after it."""
        from profilestore.infrastructure.log.database import Database

        busy_seconds = self.settings.busy_seconds
        with closing(
            Database.open(self.url, create=False, busy_seconds=busy_seconds)
        ) as database:
            yield database


def refuse_memory(url: str, hint: str) -> None:
    """Refuse a SQLite URL that names no file."""
    scheme, _, path = url.partition(":")
    if scheme in ("sqlite", "sqlite+pysqlite") and path.strip("/") in ("", ":memory:"):
        raise click.BadParameter(
            f"{url!r} names no file: what is stored would be gone at once",
            param_hint=hint,
        )


pass_context = click.make_pass_decorator(Context, ensure=True)


def _want_json(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value:
        context.ensure_object(Context).json = True


json_option = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    callback=_want_json,
    help="Print exactly the JSON document.",
)


class Instant(click.ParamType[Any]):
    """An RFC 3339 time with an offset."""

    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read a time; a naive one or a bare date is refused with a hint."""
        from profilestore.domain.timestamps import parse_timestamp

        try:
            return parse_timestamp(str(value))
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


class InstantOrPosition(Instant):
    """A time, or a position of the log."""

    name = "TIME|POSITION"

    def convert(  # type: ignore[override]  # a wider answer
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | int:
        """Read digits as a position and everything else as a time."""
        text = str(value)
        if text.isascii() and text.isdigit() and len(text) <= POSITION_DIGITS:
            return int(text)
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            self.fail(f"{error.message}; or a position of the log", param, ctx)


valid_at_option = click.option(
    "--valid-at", type=Instant(), help="Only what happened until then."
)
updates_option = click.option(
    "--updates",
    type=click.Choice(["merge", "replace"]),
    help="What an update does to the data.  [default: the store's setting]",
)


def cut_options(command: F) -> F:
    """Add the cuts of SPEC section 6, all inclusive."""
    for option in (
        updates_option,
        click.option(
            "--life",
            type=click.IntRange(0),
            metavar="N",
            help="Life N of the id, nothing later.",
        ),
        click.option(
            "--at-revision",
            type=click.IntRange(0),
            metavar="N",
            help="The life as of this revision of the source.",
        ),
        click.option(
            "--known-at",
            type=InstantOrPosition(),
            help="Only what was recorded until then.",
        ),
        valid_at_option,
    ):
        command = option(command)
    return command


def print_json(document: bytes) -> None:
    """Write a JSON document to standard output, as UTF-8 whatever the locale."""
    sys.stdout.buffer.write(document + b"\n")
    sys.stdout.buffer.flush()
