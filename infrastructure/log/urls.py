"""URLs of stores: read, and shown without the password they may have."""

import re
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from profilestore.domain.errors import InvalidArgumentError

# Read by hand, for what is no URL at all may have a password in it, too.
_SECRETS = (
    (re.compile(r"(?<=://).*@", re.DOTALL), "***@"),
    (re.compile(r"(password=)[^&\s]*", re.IGNORECASE), r"\1***"),
)


def parse_url(text: str) -> URL:
    """Read the URL of a store; raise InvalidArgumentError, password hidden."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = None
    if url is not None and "\0" in unquote(text):
        rule = f"{_masked(text)!r} has a %00, which no name of a database can have"
        raise InvalidArgumentError("database", rule)
    match url:
        case URL(drivername="sqlite" | "sqlite+pysqlite", host=None | "") if (
            not url.query
        ):
            return url
        case URL(drivername="postgresql" | "postgresql+psycopg") if url.database:
            if "@" in (url.host or ""):
                rule = f"in {_masked(text)!r} write an @ of user or password as %40"
                raise InvalidArgumentError("database", rule)
            _check_options(url)
            return url
    rule = "write sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
    raise InvalidArgumentError(
        "database", f"{_masked(text)!r} is no URL of a store; {rule}"
    )


def _check_options(url: URL) -> None:
    """Refuse what the driver would take for something else than an option of libpq."""
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415 - of PostgreSQL only
    from psycopg.errors import ProgrammingError  # noqa: PLC0415

    for name, value in url.query.items():
        try:
            make_conninfo(**{name: ""})
        except ProgrammingError:
            rule = f"{name!r} is no option of a connection to PostgreSQL; leave it out"
            raise InvalidArgumentError("database", rule) from None
        if not isinstance(value, str) and name not in ("host", "port"):
            rule = f"{name!r} is given {len(value)} times; give it once"
            raise InvalidArgumentError("database", rule)


def shown(url: URL) -> str:
    """Write a URL for people to read, with the user but no password."""
    asked = {k: "***" if "password" in k.lower() else v for k, v in url.query.items()}
    return url.set(query=asked).render_as_string(hide_password=True)


def has_password(url: URL) -> bool:
    """Say whether what is shown is not the whole URL."""
    return shown(url) != url.render_as_string(hide_password=False)


def _masked(text: str) -> str:
    for secret, mask in _SECRETS:
        text = secret.sub(mask, text)
    return text
