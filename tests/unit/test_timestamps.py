"""Times in: RFC 3339 with an offset. Times out: UTC, milliseconds or microseconds."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profilestore.domain.timestamps import (
    format_timestamp,
    from_microseconds,
    parse_timestamp,
    to_microseconds,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2017-05-31T15:26:58.199Z", "2017-05-31T15:26:58.199Z"),
        ("2017-05-31t15:26:58z", "2017-05-31T15:26:58.000Z"),
        ("2017-05-31 15:26:58.1Z", "2017-05-31T15:26:58.100Z"),
        ("2017-05-31T15:26:58.1991Z", "2017-05-31T15:26:58.199100Z"),
        ("2017-05-31T15:26:58.123456789Z", "2017-05-31T15:26:58.123456Z"),
        ("2017-05-31T15:26:58.199+02:00", "2017-05-31T13:26:58.199Z"),
        ("2017-05-31T15:26:58.199-00:00", "2017-05-31T15:26:58.199Z"),
        ("2017-01-01T00:00:00.5-23:59", "2017-01-01T23:59:00.500Z"),
        ("2016-12-31T23:59:60.7Z", "2017-01-01T00:00:00.000Z"),
        ("2017-01-01T00:59:60+01:00", "2017-01-01T00:00:00.000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_an_instant_is_read_and_shown_in_utc(text: str, shown: str) -> None:
    assert format_timestamp(parse_timestamp(text)) == shown


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("2017-05-31T15:26:58", "has no offset"),
        ("2017-05-31", "bare date"),
        ("2017-13-01T00:00:00Z", "exists"),
        ("2017-05-31T24:00:00Z", "exists"),
        ("2017-05-31T12:00:60Z", "exists"),
        ("2017-05-31T15:26Z", "RFC 3339"),
        ("2017-05-31T15:26:58+0200", "RFC 3339"),
        ("2017-05-31T15:26:58,5Z", "RFC 3339"),
        ("\u0662017-05-31T15:26:58Z", "RFC 3339"),
        ("", "RFC 3339"),
        ("1496244418", "RFC 3339"),
        ("0001-01-01T00:00:00+01:00", "exists"),
        ("9999-12-31T23:59:59-01:00", "exists"),
        ("2017-05-31T15:26:58+24:00", "exists"),
    ],
)
def test_what_is_no_instant_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        parse_timestamp(text)


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_survives_text_and_column(instant: datetime) -> None:
    assert parse_timestamp(format_timestamp(instant)) == instant
    assert from_microseconds(to_microseconds(instant)) == instant


def test_the_same_instant_in_other_offsets_is_the_same_column() -> None:
    instant = datetime(2017, 5, 31, 15, tzinfo=UTC)
    elsewhere = instant.astimezone(timezone(timedelta(hours=-3, minutes=-30)))

    assert to_microseconds(elsewhere) == to_microseconds(instant)
