"""Errors can be copied, and go between processes."""

import copy
import pickle

import pytest

from profilestore.domain.errors import (
    DamagedDeliveryError,
    InvalidArgumentError,
    LeftUnstoredError,
    ProfileNotFoundError,
    ProfileStoreError,
    QuarantineEntryNotFoundError,
    StoreBusyError,
    StoreOverloadedError,
    StoreUnavailableError,
    UnreadableEventError,
)

ERRORS = [
    InvalidArgumentError("limit", "must be 1 or more"),
    DamagedDeliveryError("stdin", "it breaks off", 7),
    ProfileNotFoundError("space", "joe", "life 3"),
    QuarantineEntryNotFoundError("ab", 2),
    StoreBusyError(1.5),
    StoreOverloadedError(7),
    StoreUnavailableError("gone"),
    LeftUnstoredError(7, 70),
    UnreadableEventError(7, "it is none"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_copy_says_what_the_error_says_and_has_its_data(
    error: ProfileStoreError,
) -> None:
    error.add_note("a note")
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert vars(other) == vars(error)
