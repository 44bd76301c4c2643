"""RFC 7396 JSON Merge Patch."""

from collections.abc import Sequence
from typing import Any


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a merge patch, and touch neither: unchanged parts are shared."""
    if type(patch) is not dict:
        return patch
    merged = dict(target) if type(target) is dict else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def merge_all(target: dict[str, Any], patches: Sequence[dict[str, Any]]) -> None:
    """Apply merge patches one after the other to an object itself, and all in it.

    The last word on a member decides: only objects there are asked what came before.
    """
    last: dict[str, Any] = {}
    for patch in patches:
        last.update(patch)
    for name, value in last.items():
        if type(value) is dict:
            said = [patch[name] for patch in patches if name in patch]
            target[name] = _merged(target.get(name), said)
        elif value is None:
            target.pop(name, None)
        else:
            target[name] = value


def _merged(target: Any, said: list[Any]) -> dict[str, Any]:
    """Apply merge patches, the last of which is an object, to anything."""
    kept = [index for index, value in enumerate(said) if type(value) is not dict]
    if kept:
        target, said = None, said[kept[-1] + 1 :]  # what is no object replaces all
    merged = target if type(target) is dict else {}
    merge_all(merged, said)
    return merged
