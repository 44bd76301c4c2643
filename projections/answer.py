"""What every answer has in common (SPEC section 7)."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

from profilestore.domain.cut import Cut, UpdatePolicy
from profilestore.domain.events import RecordedEvent
from profilestore.domain.json_values import write_json
from profilestore.domain.profile import Profile
from profilestore.domain.timestamps import format_timestamp

Time = Annotated[datetime, PlainSerializer(format_timestamp)]
"""An instant, written in UTC with milliseconds, or microseconds where needed."""


class View(BaseModel):
    """A frozen part of an answer; its JSON has camelCase members in this order."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, validate_by_name=True
    )

    def document(self) -> dict[str, Any]:
        """Give the answer as JSON values: times as text, everything else as it is."""
        return self.model_dump(by_alias=True)

    def to_json(self) -> bytes:
        """Write the document; equal answers are equal bytes."""
        return write_json(self.document())


class EventView(View):
    """An event as answers tell of it: its place, its two times, what it is."""

    life: int
    position: int
    version: int
    recorded_at: Time
    occurred_at: Time
    name: str
    event_id: str
    revision: int

    @classmethod
    def of(cls, life: int, recorded: RecordedEvent, **members: Any) -> Self:
        """Tell of an event of a life, with what the answer adds."""
        return cls(
            life=life,
            position=recorded.position,
            version=recorded.version,
            recorded_at=recorded.recorded_at,
            occurred_at=recorded.event.occurred_at,
            name=recorded.event.name,
            event_id=recorded.event.event_id,
            revision=recorded.event.revision,
            **members,
        )


class CutView(View):
    """The cut an answer was given for, echoed in UTC; null where none was asked."""

    valid_at: Time | None
    known_at: Time | int | None
    at_revision: int | None
    updates: UpdatePolicy

    @classmethod
    def of(cls, cut: Cut) -> Self:
        """Echo a cut."""
        return cls(
            valid_at=cut.valid_at,
            known_at=cut.known_at,
            at_revision=cut.at_revision,
            updates=cut.updates,
        )


class Answer(View):
    """An answer about one profile: whose, of which life, and of what cut."""

    api_space_id: str
    profile_id: str
    life: int
    cut: CutView

    @classmethod
    def about(cls, profile: Profile, **members: Any) -> Self:
        """Make an answer about a profile from its own members."""
        return cls(
            api_space_id=profile.key.api_space_id,
            profile_id=profile.key.profile_id,
            life=profile.life.number,
            cut=CutView.of(profile.cut),
            **members,
        )
