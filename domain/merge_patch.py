"""RFC 7396 JSON Merge Patch, without touching what it is given."""

from typing import Any


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a merge patch; unchanged parts are shared with the target."""
    if not isinstance(patch, dict):
        return patch
    before = target if isinstance(target, dict) else {}
    merged = before | patch
    for name, value in patch.items():
        if value is None:
            del merged[name]
        elif isinstance(value, dict):
            merged[name] = merge_patch(before.get(name), value)
    return merged
