"""What is missing now, over all profiles: of how many, and since when."""

from typing import NamedTuple

from sqlalchemy import Connection, text

from profilestore.projections.condition import Filter

from .generation import Generation


class Gaps(NamedTuple):
    """How many profiles are incomplete, and since when the oldest has been.

    In valid time, in microseconds: since the end of its last span that was complete,
    else since its first event. None where nothing is missing.
    """

    profiles: int
    since: int | None

    def __add__(self, other: object) -> "Gaps":
        """Take those of two partitions together."""
        if not isinstance(other, Gaps):
            return NotImplemented
        known = [since for since in (self.since, other.since) if since is not None]
        return Gaps(self.profiles + other.profiles, min(known, default=None))


NONE = Gaps(0, None)


def find_gaps(connection: Connection, generation: Generation) -> Gaps:
    """Find those of a partition: it takes longer the more profiles are incomplete."""
    incomplete = f"read_profiles AS one WHERE {_INCOMPLETE}"
    if connection.dialect.name == "postgresql":
        # In the order of the one index that leads there: the planner may think others
        # as good while it has not counted the table.
        order = "ORDER BY condition, profile_id OFFSET 0"
        incomplete = f"LATERAL (SELECT stream_id FROM {incomplete} {order}) AS one"  # noqa: S608 - names of ours
    query = text(
        f"{_KEYS} {_COUNT} FROM spaces CROSS JOIN codes CROSS JOIN {incomplete}"
    )
    of = {"partition": generation.partition, "generation": generation.number}
    return Gaps(*connection.execute(query, of).one())


_CODES = ", ".join(f"({code})" for code in Filter(complete=False).codes)
_COMPLETE = ", ".join(map(str, Filter(complete=True).codes))

# No index leads from a partition to a condition: an API space is between them. So the
# spaces are found first, each by one look for the next.
_KEYS = f"""
WITH RECURSIVE codes (code) AS (VALUES {_CODES}),
spaces (id) AS (
  SELECT min(api_space_id) FROM read_profiles WHERE partition = :partition
  UNION ALL
  SELECT (SELECT min(api_space_id) FROM read_profiles
          WHERE partition = :partition AND api_space_id > spaces.id)
  FROM spaces WHERE spaces.id IS NOT NULL
)"""  # noqa: S608

_INCOMPLETE = """partition = :partition AND api_space_id = spaces.id
  AND generation = :generation AND condition BETWEEN codes.code AND codes.code"""

_SPANS = """read_spans AS span WHERE span.partition = :partition
  AND span.generation = :generation AND span.stream_id = one.stream_id"""

_COUNT = f"""
SELECT count(*), min(coalesce(
  (SELECT span.until FROM {_SPANS} AND span.condition IN ({_COMPLETE})
   ORDER BY span.since DESC LIMIT 1),
  (SELECT min(span.since) FROM {_SPANS})
))"""  # noqa: S608
