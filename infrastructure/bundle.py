"""Everything held on one profile as one document: data-subject access."""

from base64 import b64encode
from typing import Any

from profilestore.domain.errors import ProfileNotFoundError
from profilestore.domain.identity import ProfileKey
from profilestore.domain.profile import Profile
from profilestore.domain.timestamps import format_timestamp
from profilestore.projections.blame import blame
from profilestore.projections.current import current_profile
from profilestore.projections.deletion import deletion_status
from profilestore.projections.devices import device_push
from profilestore.projections.history import history

from .log.quarantine import QuarantineEntry
from .store import ProfileStore

_ANSWERS = {
    "show": current_profile,
    "deletion": deletion_status,
    "devices": device_push,
    "history": history,
    "blame": blame,
}


def export(store: ProfileStore, api_space_id: str, profile_id: str) -> dict[str, Any]:
    """Gather a profile's events with their exact texts, its quarantine, all answers.

    Appending the texts to an empty store gives the same answers there, but for what
    depends on arrival. Raise ProfileNotFoundError if nothing names the profile.
    """
    key = store.key(api_space_id, profile_id)
    quarantine = [entry_document(entry) for entry in store.quarantine.naming(key)]
    profile = _profile(store, key)
    if profile is None and not quarantine:
        raise ProfileNotFoundError(*key)
    return {
        "apiSpaceId": key.api_space_id,
        "profileId": key.profile_id,
        "events": [
            {
                "position": recorded.position,
                "version": recorded.version,
                "recordedAt": format_timestamp(recorded.recorded_at),
                "text": recorded.event.text.decode(),
            }
            for recorded in (profile.events if profile else ())
        ],
        "quarantine": quarantine,
        "answers": {
            name: answer(profile).document() for name, answer in _ANSWERS.items()
        }
        if profile
        else {},
    }


def _profile(store: ProfileStore, key: ProfileKey) -> Profile | None:
    try:
        return store.profile(*key)
    except ProfileNotFoundError:
        return None


def entry_document(entry: QuarantineEntry, *, whole: bool = True) -> dict[str, Any]:
    """Give a quarantine entry as JSON values; `whole` with what was received."""
    rejection, settlement = entry.rejection, entry.settlement
    space, profile_id = rejection.profile or (None, None)
    document: dict[str, Any] = {
        "id": entry.id,
        "reason": rejection.reason,
        "problems": [problem._asdict() for problem in rejection.problems],
        "ingress": entry.ingress,
        "firstAt": format_timestamp(entry.first_at),
        "lastAt": format_timestamp(entry.last_at),
        "deliveries": entry.deliveries,
        "apiSpaceId": space,
        "profileId": profile_id,
        "eventId": rejection.event_id,
        "name": rejection.name,
        "size": len(rejection.text),
        "settled": settlement
        and {
            "as": settlement.settled,
            "at": format_timestamp(settlement.at),
            "by": settlement.by,
            "why": settlement.why,
        },
    }
    return document | _received(rejection.text) if whole else document


def _received(text: bytes) -> dict[str, str]:
    try:
        return {"text": text.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(text).decode()}
