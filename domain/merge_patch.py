"""RFC 7396 JSON Merge Patch, without touching what it is given."""

from typing import Any


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a merge patch; unchanged parts are shared with the target."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
