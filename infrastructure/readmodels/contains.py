"""Whether bytes hold others, in the words of either engine."""

from typing import Any

from sqlalchemy import Boolean
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class contains(FunctionElement[bool]):  # noqa: N801 - as SQL functions are written
    """`contains(all, some)`: true if `some` is anywhere in `all`."""

    type = Boolean()
    inherit_cache = True


@compiles(contains, "sqlite")
def _on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)}) > 0"


@compiles(contains, "postgresql")
def _on_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    # Not `position(some IN all)`: as a function it takes them in this order.
    return f"pg_catalog.position({compiler.process(element.clauses, **options)}) > 0"
