"""Settings from the environment, each with the prefix PROFILESTORE_."""

import os
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    ValidationError,
)

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.errors import InvalidArgumentError
from profilestore.domain.identity import normalise_api_space_id

PREFIX = "PROFILESTORE_"


class Settings(BaseModel):
    """What a command needs to know beside its arguments."""

    model_config = ConfigDict(frozen=True)

    database: str = "sqlite:///profilestore.db"
    """URL of the store."""
    updates: UpdatePolicy = UpdatePolicy.MERGE
    """What an update does to the data, unless the API space or the query says."""
    space_updates: Json[
        dict[Annotated[str, AfterValidator(normalise_api_space_id)], UpdatePolicy]
    ] = Field(default_factory=dict)
    """The same by API space: a JSON object."""
    busy_seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 60.0
    """How long to wait for another writer."""

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment; raise InvalidArgumentError naming the bad variable."""
        given = {
            name: os.environ[PREFIX + name.upper()]
            for name in cls.model_fields
            if os.environ.get(PREFIX + name.upper())
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            detail = error.errors()[0]
            variable = PREFIX + str(detail["loc"][0]).upper()
            raise InvalidArgumentError(variable, detail["msg"]) from None
