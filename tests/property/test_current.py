"""The current profile is answered from columns, and is the fold of events all the same."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profilestore import ProfileNotFoundError, ProfileStore, current_profile
from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.errors import UnreadableEventError
from tests.histories import as_json, deliveries_of, histories
from tests.property.test_cuts import instants
from tests.simple_events import SPACE, event, rows


def of_the_fold(store: ProfileStore, key: Any, **cut: Any) -> bytes | None:
    try:
        return current_profile(store.profile(*key, **cut)).to_json()
    except ProfileNotFoundError:
        return None


def answered(store: ProfileStore, key: Any, **cut: Any) -> bytes | None:
    try:
        return store.current(*key, **cut).to_json()
    except ProfileNotFoundError:
        return None


@given(
    histories().flatmap(deliveries_of),
    st.lists(st.none() | instants, min_size=1, max_size=6),
    st.sampled_from(UpdatePolicy),
)
def test_it_is_that_of_the_fold_at_any_time(
    deliveries: list[Any], asked: list[datetime | None], updates: UpdatePolicy
) -> None:
    with ProfileStore.open("sqlite://", updates=updates) as store:
        for batch in deliveries:
            store.append(as_json(batch))
        of_all = (e for batch in deliveries for e in batch)
        keys = {
            (e["apiSpaceId"], e.get("profileId") or e["payload"]["id"]) for e in of_all
        }
        for key in keys:
            for valid_at in (None, *asked):
                found = answered(store, key, valid_at=valid_at)
                assert found == of_the_fold(store, key, valid_at=valid_at)


@pytest.mark.parametrize(
    "damage", ["name = 'strange'", "event_id = NULL", "revision = NULL"]
)
def test_of_a_row_that_is_no_event_it_tells_the_position(
    store: ProfileStore, url: str, damage: str
) -> None:
    store.append([event(n) for n in range(3)])
    rows(url, "DROP TRIGGER events_refuse_update")
    rows(url, f"UPDATE events SET {damage} WHERE position = 2")

    with pytest.raises(UnreadableEventError, match="2"):
        store.current(SPACE, "joe")


def test_a_number_that_only_decimal_holds_is_exact(store: ProfileStore) -> None:
    body = b'{"eventId":"e","apiSpaceId":"%b","name":"profile.update","revision":1,'
    body += b'"payload":{"id":"joe","n":1e5000},"timestamp":"2026-05-01T00:00:00Z"}'
    store.append(body % SPACE.encode())

    assert b'"n":1E+5000' in store.current(SPACE, "joe").to_json()
    assert answered(store, (SPACE, "joe")) == of_the_fold(store, (SPACE, "joe"))
