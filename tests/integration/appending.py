"""A process that appends until it is killed, and says what is acknowledged."""

import subprocess
import sys

APPENDER = """
import sys
from profilestore import ProfileStore
from tests.faults.appender import batch
url, first, size = sys.argv[1], *map(int, sys.argv[2:])
with ProfileStore.open(url) as store:
    for start in range(first, first + 900_000, size):
        store.append(batch(start, size))
        print(start, flush=True)
"""


def appender(url: str, first: int, size: int) -> subprocess.Popen[str]:
    """Append events numbered from `first`; each line is the first of a stored batch."""
    return subprocess.Popen(
        [sys.executable, "-c", APPENDER, url, str(first), str(size)],
        stdout=subprocess.PIPE,
        text=True,
    )
