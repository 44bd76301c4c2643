"""Which version of the folds made a stored result: a digest of their source."""

from functools import cache
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec

MODULES = (
    "domain.cut",
    "domain.events",
    "domain.identity",
    "domain.json_values",
    "domain.merge_patch",
    "domain.profile",
    "domain.source_order",
    "domain.timestamps",
    "projections.answer",
    "projections.completeness",
    "projections.condition",
    "projections.orderly_fold",
    "projections.spans",
    "projections.standing",
    "projections.state",
    "projections.stream_fold",
    "projections.stream_lives",
    "projections.stream_row",
    "projections.stream_spans",
    "infrastructure.readmodels.kept",
    "infrastructure.readmodels.stream_rows",
)
"""All that what is stored depends on; that none is left out is tested."""


@cache
def fold_version() -> str:
    """Name the version: 16 hexadecimal digits.

    Results of another version are stale: they are not read, whatever is in them. Any
    change to the modules makes another one, whoever forgets to say so.
    """
    digest = sha256()
    for name in MODULES:
        digest.update(_source(f"profilestore.{name}"))
    return digest.hexdigest()[:16]


def _source(module: str) -> bytes:
    """Read a module's source without importing it: some are of a layer above."""
    spec = find_spec(module)
    loader = spec and spec.loader
    assert isinstance(loader, SourceFileLoader)  # noqa: S101 - it is installed as files
    return loader.get_data(loader.path)
