"""Who may deliver and who may ask: webhook secrets and read tokens (SPEC section 9)."""

import hmac
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Self
from uuid import uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from profilestore.domain.errors import InvalidArgumentError
from profilestore.domain.identity import normalise_api_space_id
from profilestore.infrastructure.settings import PREFIX

EVERY_SPACE = "*"
HASHED = re.compile(r"sha256:([0-9a-fA-F]{64})")
SIGNATURE_BYTES = 40


@dataclass(frozen=True)
class Reader:
    """Who asks: the API spaces that are theirs to read, None for all."""

    spaces: frozenset[str] | None

    def seen(self, api_space_id: str) -> str:
        """Give an API space as they see it: theirs, else one that nobody has.

        So what is not theirs is answered by the very code, and in the very time, that
        answers for what is not there.
        """
        theirs = self.spaces is None or api_space_id in self.spaces
        return api_space_id if theirs else str(uuid4())


@dataclass(frozen=True)
class Credentials:
    """The secrets and tokens of one moment; several of each are valid at once."""

    secrets: tuple[bytes, ...] = ()
    readers: tuple[tuple[bytes, Reader], ...] = ()
    """The SHA-256 of each token, and whom it stands for."""

    @cached_property
    def _keys(self) -> list[hmac.HMAC]:
        return [hmac.new(secret, digestmod="sha1") for secret in self.secrets]

    def signed(self, body: bytes, signatures: Iterable[bytes]) -> bool:
        """Tell whether one of the signatures is of these bytes under one secret.

        A signature is the HMAC-SHA1 (RFC 2104) in 40 lower-case hex digits; whatever
        else the bytes of a header are, it is none. All are compared, in constant time.
        """
        given = list(signatures)
        found = False
        for key in self._keys:
            mac = key.copy()
            mac.update(body)
            due = mac.hexdigest().encode()
            for signature in given:
                found |= hmac.compare_digest(due, signature)
        return found

    def reader(self, token: bytes) -> Reader | None:
        """Find whom a token stands for; all are compared, in constant time."""
        given = sha256(token).digest()
        found = None
        for digest, reader in self.readers:
            if hmac.compare_digest(digest, given):
                found = reader
        return found

    @classmethod
    def load(cls, config: Path | None = None) -> Self:
        """Read the environment, and over it a TOML file.

        Raise InvalidArgumentError naming what is bad, never what it holds.
        """
        of_file = {} if config is None else _file(config)
        try:
            return cls._of(_Given.model_validate(_environment() | of_file))
        except ValidationError as error:
            detail = error.errors(include_input=False)[0]
            name = str(detail["loc"][0])
            named = f"{config} {name}" if name in of_file else PREFIX + name.upper()
            raise InvalidArgumentError(named, detail["msg"]) from None

    @classmethod
    def _of(cls, given: "_Given") -> Self:
        readers = [
            (_digest(token), Reader(None if EVERY_SPACE in ids else frozenset(ids)))
            for token, ids in given.read_tokens.items()
        ]
        secrets = tuple(secret.encode() for secret in given.webhook_secrets)
        return cls(secrets, tuple(readers))


def _space(text: str) -> str:
    return text if text == EVERY_SPACE else normalise_api_space_id(text)


Secret = Annotated[str, Field(min_length=1)]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    webhook_secrets: tuple[Secret, ...] = ()
    read_tokens: Mapping[Secret, tuple[Annotated[str, AfterValidator(_space)], ...]] = (
        Field(default_factory=dict)
    )


def _environment() -> dict[str, Any]:
    given: dict[str, Any] = {}
    if secrets := os.environ.get(PREFIX + "WEBHOOK_SECRETS"):
        split = (secret.strip() for secret in secrets.split(","))
        given["webhook_secrets"] = tuple(filter(None, split))
    if tokens := os.environ.get(PREFIX + "READ_TOKENS"):
        try:
            given["read_tokens"] = from_json(tokens)
        except ValueError:
            name = PREFIX + "READ_TOKENS"
            raise InvalidArgumentError(name, "is no JSON object") from None
    return given


def _file(config: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidArgumentError(str(config), error.strerror or "no file") from None
    except ValueError:
        # The decoder's own words would repeat what stands in the file.
        raise InvalidArgumentError(str(config), "is no TOML in UTF-8") from None


def _digest(token: str) -> bytes:
    hashed = HASHED.fullmatch(token)
    return bytes.fromhex(hashed[1]) if hashed else sha256(token.encode()).digest()
