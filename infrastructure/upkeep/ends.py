"""Where the logs of a store end, checked against what is in them."""

from typing import NamedTuple

from sqlalchemy import Connection, func, select

from profilestore.domain.errors import DamagedStoreError
from profilestore.infrastructure.log.schema import GENESIS
from profilestore.infrastructure.log.tables import events


class End(NamedTuple):
    """The head of a partition: its last position, chain and time in microseconds."""

    position: int
    chain: bytes
    recorded_at: int


def read_ends(connection: Connection) -> dict[int, End]:
    """Read where each partition ends, by its head: raw, as its owner left it."""
    query = "SELECT partition, position, chain, recorded_at FROM heads"
    found = connection.exec_driver_sql(query)
    return {partition: End(*end) for partition, *end in found}


def check_ends(connection: Connection) -> dict[int, End]:
    """Read where each partition ends; it must be as its last event says.

    Raise DamagedStoreError where it is not, or events are missing before. Digests are
    not computed anew.
    """
    ends = read_ends(connection)
    counted = (
        select(
            events.c.partition,
            func.max(events.c.position).label("last"),
            func.count().label("number"),
        )
        .group_by(events.c.partition)
        .subquery()
    )
    query = select(counted, events.c.chain).join(
        events,
        (events.c.partition == counted.c.partition)
        & (events.c.position == counted.c.last),
    )
    found = {partition: of for partition, *of in connection.execute(query)}
    for partition in sorted(ends.keys() | found.keys()):
        position, number, chain = found.get(partition, (0, 0, GENESIS))
        end = ends.get(partition)
        if end is None or end[:2] != (position, chain) or number != position:
            raise DamagedStoreError(
                f"partition {partition} of the log has {number} events, the last at "
                f"position {position}, which is not where its head says that it ends"
            )
    return ends
