"""The credentials in force, read again when their file changes."""

import asyncio
import os
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import structlog

from profilestore.domain.errors import InvalidArgumentError

from .credentials import Credentials, Reader

LOOK_SECONDS = 1

Host = Callable[[], str | None]
"""Reads the name a request was sent to; called where it matters only."""

_log = structlog.get_logger()


class Keyring:
    """Holds the credentials; a secret is added or taken away while all goes on.

    A file that cannot be read, or says what is wrong, changes nothing: what was in
    force stays so, and the log tells of it.
    """

    def __init__(
        self,
        config: Path | None,
        *,
        allow_unsigned: bool = False,
        allow_anonymous: bool = False,
    ) -> None:
        self._config = config
        self._seen = self._look()
        self._credentials = Credentials.load(config)
        self._allow_unsigned = allow_unsigned
        self._anonymous = Reader(None) if allow_anonymous else None

    @property
    def credentials(self) -> Credentials:
        """Those in force now."""
        return self._credentials

    def reader(self, token: bytes | None, host: Host) -> Reader | None:
        """Find who asks, of which host; None for nobody we know.

        Without a token a page in a browser of this machine could ask, too, under a name
        of its own that leads here: only names of this machine itself will do.
        """
        known = None if token is None else self._credentials.reader(token)
        if known or self._anonymous is None:
            return known
        return self._anonymous if is_loopback(host()) else None

    def takes_unsigned(self, host: Host) -> bool:
        """Tell whether a delivery to a host needs no signature."""
        return self._allow_unsigned and is_loopback(host())

    async def watch(self) -> None:
        """Look at the file every second, for as long as this task lives."""
        while self._config is not None:
            await asyncio.sleep(LOOK_SECONDS)
            if (seen := self._look()) != self._seen:
                self._seen = seen
                self._read_again()

    def _read_again(self) -> None:
        try:
            self._credentials = Credentials.load(self._config)
        except InvalidArgumentError as error:
            _log.error("credentials not changed", cause=error.rule)
        else:
            now = self._credentials
            _log.info(
                "credentials changed",
                secrets=len(now.secrets),
                tokens=len(now.readers),
            )

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._config) if self._config else None  # noqa: PTH116 - follows a link that is moved
        except OSError:
            return None
        return found and (found.st_mtime_ns, found.st_ino, found.st_size)


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name or address stays on this machine."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False
