"""Plain, gzip and zstd streams: told apart, unpacked in bounds, damage found."""

import gzip
import io
import os
import random
import tracemalloc
from collections.abc import Callable

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from profilestore.infrastructure.ingress.compression import DamagedStreamError, chunks

MIB = 1024 * 1024
CONTENT = b"".join(
    b'{"n":%d}\n' % random.Random(n).getrandbits(64) for n in range(20_000)
)
Pack = Callable[[bytes], bytes]


def zstd_with_checksum(content: bytes) -> bytes:
    return zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1})


PACKERS = pytest.mark.parametrize("pack", [gzip.compress, zstd_with_checksum])


def unpack(packed: bytes) -> bytes:
    return b"".join(chunks(io.BytesIO(packed)))


@given(st.binary(max_size=100))
def test_plain_bytes_come_as_they_are(content: bytes) -> None:
    assert unpack(b"{" + content) == b"{" + content


def test_an_empty_stream_has_no_chunks() -> None:
    assert list(chunks(io.BytesIO())) == []


@PACKERS
def test_packed_bytes_come_as_they_were(pack: Pack) -> None:
    assert unpack(pack(CONTENT)) == CONTENT


@PACKERS
def test_several_members_or_frames_are_one_stream(pack: Pack) -> None:
    assert unpack(pack(CONTENT[:99]) + pack(b"") + pack(CONTENT[99:])) == CONTENT


@PACKERS
def test_a_slow_pipe_is_told_by_its_first_bytes_too(pack: Pack) -> None:
    receiver, sender = os.pipe()
    with open(receiver, "rb") as stream, open(sender, "wb", buffering=0) as pipe:
        packed = pack(b'{"a":1}')
        pipe.write(packed[:1])
        reading = chunks(stream)
        pipe.write(packed[1:])
        pipe.close()

        assert b"".join(reading) == b'{"a":1}'


@PACKERS
@pytest.mark.parametrize("cut", [5, 100, -1, -5])
def test_a_stream_that_ends_too_early_is_damaged(pack: Pack, cut: int) -> None:
    read = b""
    with pytest.raises(DamagedStreamError, match="damaged"):
        for chunk in chunks(io.BytesIO(pack(CONTENT)[:cut])):
            read += chunk

    assert CONTENT.startswith(read)


@PACKERS
def test_a_changed_byte_is_damage(pack: Pack) -> None:
    packed = bytearray(pack(CONTENT))
    packed[len(packed) // 2] ^= 0xFF

    with pytest.raises(DamagedStreamError):
        unpack(bytes(packed))


@PACKERS
def test_a_bomb_is_never_held_at_once(pack: Pack) -> None:
    bomb = pack(bytes(256 * MIB))
    assert len(bomb) < MIB
    tracemalloc.start()
    sizes = [len(chunk) for chunk in chunks(io.BytesIO(bomb))]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert sum(sizes) == 256 * MIB
    assert max(sizes) <= MIB
    assert peak < 8 * MIB
