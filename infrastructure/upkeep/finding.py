"""What an examination of an installation found."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is."""

    FAULT = "fault"
    """What is answered as stored can be lost, changed or read by others."""
    WARNING = "warning"
    """It holds today, and something is to be done about it."""
    OK = "ok"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. Unless it is ok, `remedy` says what to do."""

    severity: Severity
    subject: str
    found: str
    remedy: str | None = None


def judge(
    subject: str,
    found: str,
    remedy: str,
    *,
    bad: bool,
    severity: Severity = Severity.FAULT,
) -> Finding:
    """Report what was found: ok unless it is bad."""
    if bad:
        return Finding(severity, subject, found, remedy)
    return Finding(Severity.OK, subject, found)
