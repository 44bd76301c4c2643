"""JSON as values: read strictly and losslessly, compared and written one way."""

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any

import msgspec

MAX_DEPTH = 200
"""Levels of nesting an event may have: far below what any reader's stack holds."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(decimal_format="number").encode
_encode_sorted = msgspec.json.Encoder(decimal_format="number", order="sorted").encode


class MalformedJsonError(ValueError):
    """Bytes that are not JSON in UTF-8, or nested deeper than MAX_DEPTH."""


def read_json(text: bytes) -> Any:
    """Decode one JSON value; of a duplicate key the last counts (SPEC section 2).

    Integers are exact at any size. A number that neither `int` nor `float` holds (over
    4,300 digits, or beyond the doubles) becomes a Decimal. Raise MalformedJsonError.
    """
    try:
        value = _decode(text)
    except msgspec.ValidationError:
        value = _read_huge_numbers(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedJsonError(_reason(error)) from None
    except RecursionError:
        raise MalformedJsonError(_TOO_DEEP) from None
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH:
        _check_depth(value)
    return value


_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not valid UTF-8"
    if "truncated" in str(error):
        # So the decoder calls a lone surrogate at the end of a string, too.
        return "the JSON is truncated, or has a lone surrogate"
    return str(error).removeprefix("JSON is malformed: ").lower()


def _read_huge_numbers(text: bytes) -> Any:
    """Read text that the fast decoder refused for a number out of its range."""
    try:
        value = json.loads(
            text.decode(),
            parse_int=_number(int),
            parse_float=_number(_finite),
            parse_constant=_refuse,
        )
        _encode(value)  # refuses lone surrogates, which `json` lets through
    except (ValueError, InvalidOperation) as error:
        raise MalformedJsonError(str(error).lower()) from None
    except RecursionError:
        raise MalformedJsonError(_TOO_DEEP) from None
    return value


def _number(narrow: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(digits: str) -> Any:
        try:
            return narrow(digits)
        except ValueError:
            return Decimal(digits)

    return read


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError(digits)
    return number


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise MalformedJsonError(_TOO_DEEP)


def write_json(value: Any) -> bytes:
    """Encode compactly, members in the order they have."""
    return _encode(value)


def write_sorted_json(value: Any) -> bytes:
    """Encode compactly, members in order of name: equal values are equal bytes."""
    return _encode_sorted(value)


def json_equal(a: Any, b: Any) -> bool:
    """Tell whether two values are the same JSON: 1 is 1.0, but true is not 1."""
    if isinstance(a, dict):
        return (
            isinstance(b, dict)
            and a.keys() == b.keys()
            and all(json_equal(value, b[name]) for name, value in a.items())
        )
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(json_equal, a, b))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return bool(a == b)


def sort_members(value: Any) -> Any:
    """Put the members of every object in order of name.

    The same event comes in two dialects and any key order; answers must not tell.
    """
    if isinstance(value, dict):
        return {name: sort_members(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [sort_members(item) for item in value]
    return value
