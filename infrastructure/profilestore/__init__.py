"""An event-sourced store for profile events: what is, what was, what was known.

from profilestore import ProfileStore, current_profile

with ProfileStore.open("sqlite:///profiles.db") as store:
    receipt = store.append(body)
    profile = store.profile(space, "joe@example.com")
    print(current_profile(profile).data)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from profilestore.domain.cut import Cut as Cut
    from profilestore.domain.cut import UpdatePolicy as UpdatePolicy
    from profilestore.domain.errors import DamagedDeliveryError as DamagedDeliveryError
    from profilestore.domain.errors import DamagedStoreError as DamagedStoreError
    from profilestore.domain.errors import InvalidArgumentError as InvalidArgumentError
    from profilestore.domain.errors import LeftUnstoredError as LeftUnstoredError
    from profilestore.domain.errors import NotFoundError as NotFoundError
    from profilestore.domain.errors import ProfileNotFoundError as ProfileNotFoundError
    from profilestore.domain.errors import ProfileStoreError as ProfileStoreError
    from profilestore.domain.errors import (
        QuarantineEntryNotFoundError as QuarantineEntryNotFoundError,
    )
    from profilestore.domain.errors import SchemaMismatchError as SchemaMismatchError
    from profilestore.domain.errors import StorageError as StorageError
    from profilestore.domain.errors import StoreBusyError as StoreBusyError
    from profilestore.domain.errors import StoreOverloadedError as StoreOverloadedError
    from profilestore.domain.errors import (
        StoreUnavailableError as StoreUnavailableError,
    )
    from profilestore.domain.errors import UnreadableEventError as UnreadableEventError
    from profilestore.domain.profile import Profile as Profile
    from profilestore.domain.receipt import Receipt as Receipt
    from profilestore.infrastructure.readmodels.check import Difference as Difference
    from profilestore.infrastructure.readmodels.rebuild import Rebuilt as Rebuilt
    from profilestore.infrastructure.store import ProfileStore as ProfileStore
    from profilestore.projections.blame import Blame as Blame
    from profilestore.projections.blame import blame as blame
    from profilestore.projections.completeness import completeness as completeness
    from profilestore.projections.counts import Count as Count
    from profilestore.projections.counts import CountSeries as CountSeries
    from profilestore.projections.current import CurrentProfile as CurrentProfile
    from profilestore.projections.current import current_profile as current_profile
    from profilestore.projections.deletion import DeletionStatus as DeletionStatus
    from profilestore.projections.deletion import deletion_status as deletion_status
    from profilestore.projections.devices import DevicePush as DevicePush
    from profilestore.projections.devices import device_push as device_push
    from profilestore.projections.diff import Diff as Diff
    from profilestore.projections.diff import diff as diff
    from profilestore.projections.explain import Explanation as Explanation
    from profilestore.projections.explain import explain as explain
    from profilestore.projections.history import History as History
    from profilestore.projections.history import history as history
    from profilestore.projections.listed import ListedProfile as ListedProfile

__version__ = "0.1.0"

_HOMES = {
    "domain.cut": ("Cut", "UpdatePolicy"),
    "domain.errors": (
        "DamagedDeliveryError",
        "DamagedStoreError",
        "InvalidArgumentError",
        "LeftUnstoredError",
        "NotFoundError",
        "ProfileNotFoundError",
        "ProfileStoreError",
        "QuarantineEntryNotFoundError",
        "SchemaMismatchError",
        "StorageError",
        "StoreBusyError",
        "StoreOverloadedError",
        "StoreUnavailableError",
        "UnreadableEventError",
    ),
    "domain.profile": ("Profile",),
    "domain.receipt": ("Receipt",),
    "infrastructure.readmodels.check": ("Difference",),
    "infrastructure.readmodels.rebuild": ("Rebuilt",),
    "infrastructure.store": ("ProfileStore",),
    "projections.blame": ("Blame", "blame"),
    "projections.completeness": ("completeness",),
    "projections.counts": ("Count", "CountSeries"),
    "projections.current": ("CurrentProfile", "current_profile"),
    "projections.deletion": ("DeletionStatus", "deletion_status"),
    "projections.devices": ("DevicePush", "device_push"),
    "projections.diff": ("Diff", "diff"),
    "projections.explain": ("Explanation", "explain"),
    "projections.history": ("History", "history"),
    "projections.listed": ("ListedProfile",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - the table above has the names


def __getattr__(name: str) -> object:
    """Load a public name on first use: `profilestore --help` needs none of them."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'profilestore' has no attribute {name!r}")
    value = getattr(import_module(f"profilestore.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
