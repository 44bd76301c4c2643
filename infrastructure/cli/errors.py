"""Which error ends the command with which exit code (SPEC section 8)."""

from profilestore.domain.errors import (
    DamagedDeliveryError,
    InvalidArgumentError,
    NotFoundError,
    StorageError,
)

EXIT_CODES: dict[type[Exception], int] = {
    InvalidArgumentError: 2,
    DamagedDeliveryError: 2,
    NotFoundError: 4,
    StorageError: 6,
}


def exit_code(error: Exception) -> int | None:
    """Look an error up; None if it is none of ours."""
    return next((code for t, code in EXIT_CODES.items() if isinstance(error, t)), None)
