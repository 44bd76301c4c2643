"""What each route may be asked: the query parameters of SPEC section 9."""

from typing import Annotated

from pydantic import Field

from .parameters import (
    Instant,
    InstantOrPosition,
    Number,
    Parameters,
    Status,
    Step,
    Updates,
)


class Folded(Parameters):
    """How updates are folded."""

    updates: Annotated[
        Updates | None,
        Field(description="What an update does to the data; default the store's."),
    ] = None


class Valid(Folded):
    """What was true at a time."""

    valid_at: Annotated[
        Instant | None, Field(description="Only what happened until then, inclusive.")
    ] = None


class Cuts(Valid):
    """The cuts of SPEC section 6, alone or together."""

    known_at: Annotated[
        InstantOrPosition | None,
        Field(
            description="Only what was recorded until then, inclusive: a time, or a "
            "position of the profile's log partition."
        ),
    ] = None
    at_revision: Annotated[
        Number | None,
        Field(description="The life as of this revision of the source."),
    ] = None
    life: Annotated[
        Number | None, Field(description="Life N of the id, nothing later.")
    ] = None


class Between(Folded):
    """Two times of one clock, or of both; an end left out is now."""

    from_: Annotated[
        Instant | None, Field(alias="from", description="What was true then.")
    ] = None
    to: Annotated[Instant | None, Field(description="What was true then.")] = None
    known_from: Annotated[
        InstantOrPosition | None, Field(description="What was known then.")
    ] = None
    known_to: Annotated[
        InstantOrPosition | None, Field(description="What was known then.")
    ] = None


class Since(Valid):
    """Two times, or positions, at which something was known."""

    known_from: Annotated[
        InstantOrPosition, Field(description="Since then, exclusive.")
    ]
    known_to: Annotated[InstantOrPosition, Field(description="Until then, inclusive.")]


MOST_WHERE = 2048
Where = Annotated[
    str,
    Field(
        max_length=MOST_WHERE,
        json_schema_extra={"pattern": r"^/*[^/=][^=]*=[\s\S]*$"},
    ),
]
"""The form is said in the schema; what breaks it, by the store in better words."""


class Filters(Folded):
    """Which profiles are let through; what is left out lets all through."""

    status: Annotated[
        list[Status],
        Field(
            default_factory=list,
            description="Of this status; may be given several times.",
        ),
    ]
    push_capable: Annotated[
        bool | None, Field(description="With a device that takes a push, or without.")
    ] = None
    reachable: Annotated[
        bool | None, Field(description="That a push reaches, or does not.")
    ] = None
    incomplete: Annotated[
        bool | None, Field(description="Of which events are missing, or none.")
    ] = None
    where: Annotated[
        list[Where],
        Field(
            description="`PATH=VALUE`: where the data has this JSON value, as in "
            "`address/city=London`; may be given several times.",
            default_factory=list,
        ),
    ]


class Counted(Filters):
    """Profiles that are counted, as they are or were."""

    valid_at: Annotated[Instant | None, Field(description="As they were then.")] = None


MOST_LISTED = 1000


class Listed(Counted):
    """Profiles that are listed, page by page."""

    after: Annotated[
        str, Field(description="A profile id: the page begins behind it.")
    ] = ""
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED)] = 100


class Series(Filters):
    """Profiles that are counted at times of equal distance."""

    from_: Annotated[Instant, Field(alias="from", description="The first time.")]
    to: Annotated[Instant, Field(description="No time is after it.")]
    step: Annotated[Step, Field(description="The distance.")]


class Following(Parameters):
    """Which part of the log is read."""

    partition: Annotated[Number, Field(description="Of a store that has several.")] = 0
    space: Annotated[
        str | None,
        Field(
            description="One API space, of those that are yours.",
            json_schema_extra={"format": "uuid"},
        ),
    ] = None


MOST_EVENTS = 1000


class Paged(Following):
    """A page of the log."""

    after: Annotated[Number, Field(description="The position that was read last.")] = 0
    limit: Annotated[int, Field(ge=1, le=MOST_EVENTS)] = 500


class Streamed(Following):
    """The log from a position on."""

    after: Annotated[
        Number,
        Field(description="The position that was read last; `Last-Event-ID` is more."),
    ] = 0
