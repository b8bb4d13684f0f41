"""Audio as messages carry it: G.711 against Python's own, RTP against packets made by hand."""

import itertools
import struct
import warnings

import numpy as np
import pytest

from sfclient.simulator._codecs import WS_MEDIA_CODECS, CallCodecs, MalformedRtpError, rtp_payload

L16, PCMU, PCMA = (WS_MEDIA_CODECS[name] for name in ("l16", "pcmu", "pcma"))
EVERY_SAMPLE = np.arange(-32768, 32768).astype("<i2").tobytes()
EVERY_CODE = bytes(range(256))


def test_g711_is_that_of_audioop_for_every_value() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop")
    assert PCMU.encode(EVERY_SAMPLE) == audioop.lin2ulaw(EVERY_SAMPLE, 2)
    assert PCMA.encode(EVERY_SAMPLE) == audioop.lin2alaw(EVERY_SAMPLE, 2)
    assert PCMU.decode(EVERY_CODE) == audioop.ulaw2lin(EVERY_CODE, 2)
    assert PCMA.decode(EVERY_CODE) == audioop.alaw2lin(EVERY_CODE, 2)


@pytest.mark.parametrize(
    ("name", "code", "sample"),
    [
        ("pcmu", 0xFF, 0),
        ("pcmu", 0x00, -32124),
        ("pcmu", 0x80, 32124),
        ("pcma", 0xD5, 8),
        ("pcma", 0x55, -8),
        ("pcma", 0xAA, 32256),
        ("pcma", 0x2A, -32256),
    ],
)
def test_g711_has_the_corners_of_the_standard(name: str, code: int, sample: int) -> None:
    codec, pcm = WS_MEDIA_CODECS[name], struct.pack("<h", sample)
    assert codec.decode(bytes([code])) == pcm
    assert codec.encode(pcm) == bytes([code])


@pytest.mark.parametrize("codec", [PCMU, PCMA])
def test_g711_survives_another_round(codec: type) -> None:
    pcm = codec.decode(EVERY_CODE)  # type: ignore[attr-defined]
    assert codec.decode(codec.encode(pcm)) == pcm  # type: ignore[attr-defined]


def test_l16_is_big_endian() -> None:
    assert L16.encode(b"\x01\x02\x03\x04") == b"\x02\x01\x04\x03"
    assert L16.decode(b"\x02\x01\x04\x03\x05") == b"\x01\x02\x03\x04"


@pytest.mark.parametrize("name", WS_MEDIA_CODECS)
def test_half_a_sample_cannot_be_coded(name: str) -> None:
    with pytest.raises(ValueError, match="3 bytes"):
        WS_MEDIA_CODECS[name].encode(b"abc")


@pytest.mark.parametrize(
    "packet",
    [
        b"\x80\x08" + bytes(10) + b"abcd",
        b"\x80\x88" + bytes(10) + b"abcd",  # with the marker
        b"\x83\x08" + bytes(10) + bytes(range(12)) + b"abcd",  # 3 CSRCs
        b"\x90\x08" + bytes(10) + b"\xbe\xde\0\2" + b"\xff" * 8 + b"abcd",  # an extension
        b"\xa0\x08" + bytes(10) + b"abcd" + b"\0\0\3",  # padding
        b"\xb2\x08" + bytes(10) + bytes(8) + b"\0\0\0\1" + bytes(4) + b"abcd\1",  # all of it
    ],
)
def test_only_the_payload_of_rtp_is_left(packet: bytes) -> None:
    assert rtp_payload(packet, 8) == b"abcd"


def test_a_packet_may_be_empty() -> None:
    assert rtp_payload(b"\x80\x08" + bytes(10), 8) == b""
    assert rtp_payload(b"\xa0\x08" + bytes(10) + b"\0\2", 8) == b""


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", "no RTP"),
        (b"\x80\x08" + bytes(9), "no RTP"),
        (b"\x40\x08" + bytes(100), "no RTP"),
        (bytes(640), "no RTP"),
        (b"\x80\x60" + bytes(100), "96 should be 8"),
        (b"\x8f\x08" + bytes(60), "more than"),
        (b"\x90\x08" + bytes(10), "more than"),
        (b"\x90\x08" + bytes(10) + b"\0\0\0\2" + bytes(7), "more than"),
        (b"\xa0\x08" + bytes(10) + b"a\3", "more than"),
        (b"\xa0\x08" + bytes(10) + b"a\0", "more than"),
        (b"\xa0\x08" + bytes(10), "more than"),
    ],
)
def test_malformed_rtp_is_refused_for_its_reason(packet: bytes, reason: str) -> None:
    with pytest.raises(MalformedRtpError, match=reason) as caught:
        rtp_payload(packet, 8)
    assert len(str(caught.value).encode()) <= 123  # what a close frame can hold


@pytest.mark.parametrize(
    ("name", "payload_type", "samples"), [("l16", 96, 320), ("pcmu", 0, 160), ("pcma", 8, 160)]
)
def test_rtp_packets_are_of_20_ms_and_count_on(name: str, payload_type: int, samples: int) -> None:
    codec = WS_MEDIA_CODECS[name]
    pcm = EVERY_SAMPLE[: samples * 2 * 5 + 20]
    codecs = CallCodecs(codec, codec, "rtp", "rtp")
    packets = [*codecs.agent_messages(pcm, None), *codecs.agent_messages(pcm, None)]
    heads = [struct.unpack(">BBHII", packet[:12]) for packet in packets]
    assert {head[:2] for head in heads} == {(0x80, payload_type)}
    assert len({head[4] for head in heads}) == 1
    steps = [
        (b[2] - a[2] & 0xFFFF, b[3] - a[3] & 0xFFFF_FFFF) for a, b in itertools.pairwise(heads)
    ]
    assert steps == [(1, samples)] * 5 + [(1, 10)] + [(1, samples)] * 5
    assert {len(packet) for packet in packets[:5]} == {12 + samples * codec.width}
    assert b"".join(packet[12:] for packet in packets) == 2 * codec.encode(pcm)


def test_rtp_begins_anywhere() -> None:
    packets = [
        next(CallCodecs(L16, L16, agent_framing="rtp").agent_messages(b"ab", None))
        for _ in range(8)
    ]
    for part in slice(2, 4), slice(4, 8), slice(8, 12):  # sequence, timestamp, SSRC
        assert len({packet[part] for packet in packets}) > 1


def test_rtp_wraps_around() -> None:
    codecs = CallCodecs(L16, L16, agent_framing="rtp")
    codecs._sequence, codecs._timestamp = 0xFFFF, 0xFFFF_FFFF
    packets = list(codecs.agent_messages(bytes(6), 2))
    assert [packet[2:8] for packet in packets] == [
        b"\xff" * 6,
        b"\0\0" + b"\0\0\0\0",
        b"\0\1" + b"\0\0\0\1",
    ]


def test_a_packet_that_splits_a_sample_has_the_number_of_its_first() -> None:
    codecs = CallCodecs(L16, L16, agent_framing="rtp")
    stamps = [struct.unpack(">I", packet[4:8])[0] for packet in codecs.agent_messages(bytes(12), 3)]
    assert [(stamp - stamps[0]) & 0xFFFF_FFFF for stamp in stamps] == [0, 1, 3, 4]


def test_what_the_agent_says_is_known_from_its_messages() -> None:
    rtp, payload = CallCodecs(PCMA, PCMA, agent_framing="rtp"), CallCodecs(PCMA, PCMA)
    (packet,) = rtp.agent_messages(b"abcd", None)
    assert rtp.agent_audio(packet) == PCMA.encode(b"abcd")
    assert rtp.agent_audio(b"no RTP") == b""
    assert payload.agent_audio(b"no RTP") == b"no RTP"
