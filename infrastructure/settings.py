"""Settings from the environment, each with the prefix PROFILESTORE_."""

from typing import Annotated

from pydantic import AfterValidator, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.errors import InvalidArgumentError
from profilestore.domain.identity import normalise_api_space_id


class Settings(BaseSettings):
    """What a command needs to know beside its arguments."""

    model_config = SettingsConfigDict(env_prefix="PROFILESTORE_", frozen=True)

    database: str = "sqlite:///profilestore.db"
    """URL of the store."""
    updates: UpdatePolicy = UpdatePolicy.MERGE
    """What an update does to the data, unless the API space or the query says."""
    space_updates: dict[
        Annotated[str, AfterValidator(normalise_api_space_id)], UpdatePolicy
    ] = {}
    """The same by API space: a JSON object."""
    busy_seconds: float = 60.0
    """How long to wait for another writer."""

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the environment; raise InvalidArgumentError naming the bad variable."""
        try:
            return cls()
        except (ValidationError, ValueError) as error:
            raise InvalidArgumentError(*_first(error)) from error


def _first(error: ValueError) -> tuple[str, str]:
    if not isinstance(error, ValidationError):
        return "PROFILESTORE_SPACE_UPDATES", str(error)
    detail = error.errors()[0]
    return "PROFILESTORE_" + str(detail["loc"][0]).upper(), detail["msg"]
