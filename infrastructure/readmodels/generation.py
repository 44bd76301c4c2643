"""A read model of one partition: what made it, how far it is, whether it is read."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    Update,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.timestamps import to_microseconds
from profilestore.infrastructure.log.fold_version import fold_version
from profilestore.infrastructure.log.head import Head
from profilestore.infrastructure.log.tables import (
    heads,
    read_models,
    read_parts,
    read_profiles,
    read_spans,
)


class Phase(StrEnum):
    """Where a generation is in its time."""

    BUILDING = "building"
    LIVE = "live"
    OLD = "old"


@dataclass(frozen=True)
class Generation:
    """A read model of a partition under one update policy, and its number in it.

    Only those that the present version of the folds made are read. There is at most
    one that is live: the answers come from it.
    """

    partition: int
    number: int
    updates: UpdatePolicy
    fold: str
    phase: Phase
    position: int
    """Of the log: no event until there is left out."""

    @classmethod
    def find(
        cls, connection: Connection, partition: int, updates: UpdatePolicy, phase: Phase
    ) -> Self | None:
        """Find the one of the present folds that is in a phase."""
        query = _all(partition).where(
            read_models.c.updates == updates.value,
            read_models.c.fold == fold_version(),
            read_models.c.phase == phase.value,
        )
        row = connection.execute(query).first()
        return None if row is None else cls._of(partition, row)

    @classmethod
    def live(
        cls, connection: Connection, updates: UpdatePolicy
    ) -> list[tuple[int, Self | None]]:
        """List for each partition how far its log is, and which of its own is live."""
        of_models = and_(
            read_models.c.partition == heads.c.partition,
            read_models.c.updates == updates.value,
            read_models.c.fold == fold_version(),
            read_models.c.phase == Phase.LIVE.value,
        )
        query = (
            select(heads.c.partition, heads.c.position, *_COLUMNS)
            .join_from(heads, read_models, of_models, isouter=True)
            .order_by(heads.c.partition)
        )
        return [
            (end, None if row[0] is None else cls._of(partition, row))
            for partition, end, *row in connection.execute(query)
        ]

    @classmethod
    def list_all(cls, connection: Connection, partition: int) -> list[Self]:
        """List those of a partition, whatever made them, oldest first."""
        query = _all(partition).order_by(read_models.c.generation)
        return [cls._of(partition, row) for row in connection.execute(query)]

    @classmethod
    def begin(
        cls, connection: Connection, partition: int, updates: UpdatePolicy, parts: int
    ) -> Self:
        """Go on with the one that is being built, or begin one, in so many parts.

        The head is held meanwhile, so that two who begin at once begin one.
        """
        head = Head.lock(connection, partition)
        building = cls.find(connection, partition, updates, Phase.BUILDING)
        if building is not None:
            return building
        newest = select(func.max(read_models.c.generation)).where(
            read_models.c.partition == partition
        )
        number = (connection.execute(newest).scalar_one() or 0) + 1
        made = cls(
            partition, number, updates, fold_version(), Phase.BUILDING, head.position
        )
        now = to_microseconds(datetime.now(UTC))
        connection.execute(
            insert(read_models).values(
                partition=partition,
                generation=number,
                updates=updates.value,
                fold=made.fold,
                phase=made.phase.value,
                position=made.position,
                begun_at=now,
            )
        )
        ends = [(n * 0x10000 // parts).to_bytes(3)[1:] for n in range(parts)]
        ends.append(b"\xff" * 17)  # larger than any stream id
        connection.execute(
            insert(read_parts),
            [
                {"part": part, "after": ends[part], "until": ends[part + 1]}
                | {"partition": partition, "generation": number, "events": 0}
                for part in range(parts)
            ],
        )
        return made

    def go_live(self, connection: Connection) -> bool:
        """Be read from now on, instead of the one that was live, if not behind it.

        A reader that saw the old one up to some position sees no less in the new one.
        Answer whether there is nothing left to do: also if somebody else has done it.
        """
        Head.lock(connection, self.partition)
        now = self.refreshed(connection)
        if now is None or now.phase is not Phase.BUILDING:
            return True
        live = self.find(connection, self.partition, self.updates, Phase.LIVE)
        if live is not None:
            if live.position > now.position:
                return False
            live.retire(connection)
        # Who has other folds may be dropping it, and does not hold the head.
        still = read_models.c.phase == Phase.BUILDING.value
        connection.execute(self._update(phase=Phase.LIVE.value).where(still))
        return True

    def retire(self, connection: Connection) -> None:
        """Be read no more; `drop` takes its rows away."""
        connection.execute(self._update(phase=Phase.OLD.value))

    def refreshed(self, connection: Connection) -> Self | None:
        """Read it again; None if it is no more."""
        query = _all(self.partition).where(read_models.c.generation == self.number)
        row = connection.execute(query).first()
        return None if row is None else self._of(self.partition, row)

    def move(self, connection: Connection, position: int) -> bool:
        """Be further on in the log, unless somebody else has moved it meanwhile."""
        moved = self._update(position=position).where(
            read_models.c.position == self.position
        )
        return connection.execute(moved).rowcount > 0

    def drop(self, connection: Connection, limit: int) -> bool:
        """Delete about so many rows at most; answer whether all that it had is gone.

        In small steps: appends wait for each.
        """
        # Both lock out who would still write to it, before its rows are looked for.
        self.retire(connection)
        connection.execute(delete(read_parts).where(*self.rows_of(read_parts)))
        for table in (read_profiles, read_spans):
            every, key = self.rows_of(table), table.c.stream_id
            last = select(key).where(*every).order_by(key).offset(limit - 1).limit(1)
            until = connection.execute(last).scalar()
            some = every if until is None else [*every, key <= until]
            if connection.execute(delete(table).where(*some)).rowcount:
                return False
        connection.execute(delete(read_models).where(*self.rows_of(read_models)))
        return True

    def rows_of(self, table: Table) -> list[ColumnElement[bool]]:
        """Name the rows of a table that are its own."""
        return [
            table.c.partition == self.partition,
            table.c.generation == self.number,
        ]

    @classmethod
    def _of(cls, partition: int, row: Any) -> Self:
        number, updates, fold, phase, position = row
        policy = UpdatePolicy.read(updates)
        return cls(partition, number, policy, fold, Phase(phase), position)

    def _update(self, **values: object) -> Update:
        return update(read_models).where(*self.rows_of(read_models)).values(**values)


_COLUMNS = (
    read_models.c.generation,
    read_models.c.updates,
    read_models.c.fold,
    read_models.c.phase,
    read_models.c.position,
)


def _all(partition: int) -> Select[Any]:
    return select(*_COLUMNS).where(read_models.c.partition == partition)
