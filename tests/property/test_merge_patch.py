"""Merge patches applied all at once are what they are one after the other."""

from functools import reduce
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from profilestore.domain.merge_patch import merge_all, merge_patch
from tests.histories import VALUES, objects


@given(objects(VALUES), st.lists(objects(VALUES), max_size=6))
def test_all_at_once_come_to_one_after_the_other(
    target: dict[str, Any], patches: list[dict[str, Any]]
) -> None:
    wanted = told_apart(reduce(merge_patch, patches, target))

    merge_all(target, patches)

    assert told_apart(target) == wanted


def told_apart(value: Any) -> Any:
    """Tell apart what is the same to Python and not to JSON: 1 and true."""
    if isinstance(value, dict):
        return {name: told_apart(inner) for name, inner in value.items()}
    return repr(value)
