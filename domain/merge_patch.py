"""RFC 7396 JSON Merge Patch."""

from typing import Any


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a merge patch, and touch neither: unchanged parts are shared."""
    if type(patch) is not dict:
        return patch
    merged = dict(target) if type(target) is dict else {}
    merge_into(merged, patch)
    return merged


def merge_into(target: dict[str, Any], patch: dict[str, Any]) -> None:
    """Apply a merge patch to an object itself; what it holds is not touched."""
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif type(value) is dict:
            target[name] = merge_patch(target.get(name), value)
        else:
            target[name] = value
