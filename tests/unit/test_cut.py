"""A cut refuses what is none, by name."""

from typing import Any

import pytest

from profilestore import Cut, InvalidArgumentError, UpdatePolicy


def test_a_policy_by_its_name_is_the_policy() -> None:
    assert Cut(updates="merge").updates is UpdatePolicy.MERGE  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", ["bogus", None, 1])
def test_what_is_no_policy_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="updates"):
        Cut(updates=bad)
