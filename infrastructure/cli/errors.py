"""Which error ends the command with which exit code (SPEC section 8)."""

import click

from profilestore.domain.errors import (
    DamagedDeliveryError,
    DamagedStoreError,
    InvalidArgumentError,
    NotFoundError,
    StorageError,
)

from .options import CHECK_FAILED

EXIT_CODES: dict[type[BaseException], int] = {
    InvalidArgumentError: 2,
    DamagedDeliveryError: 2,
    NotFoundError: 4,
    DamagedStoreError: CHECK_FAILED,  # before the StorageError that it is
    StorageError: 6,
    OSError: 1,
    click.Abort: 130,
    KeyboardInterrupt: 130,
}


def exit_code(error: BaseException) -> int | None:
    """Look an error up; None if nobody expected it."""
    return next((code for t, code in EXIT_CODES.items() if isinstance(error, t)), None)
