"""The ws-media dialect without I/O: its handshake in any order, its sound in any shape."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfaudio import alaw_to_int16, int16_to_alaw, int16_to_ulaw, ulaw_to_int16
from sfclient import ServiceError, StartedCall, UsageError
from sfclient._dialects import (
    Action,
    AgentReady,
    Dialect,
    Established,
    PassOn,
    Play,
    Reconnect,
    Send,
    StartCall,
    WaitAtMost,
    WsMediaDialect,
)
from sfclient._dialects._rtp import Sender
from sfclient._dialects._ws_media import State

SERVER_INFO = json.dumps({"type": "server_info", "server-name": "media-7"})
CALL_INFO = json.dumps({"type": "call_info", "callId": "c"})
TALKING = [Established(), AgentReady()]


def opened(dialect: Dialect) -> list[Action]:
    return list(dialect.opened())


def told(dialect: Dialect, message: str | bytes) -> list[Action]:
    return list(dialect.received(message))


def talking(**options: Any) -> WsMediaDialect:
    dialect = WsMediaDialect(**options)
    opened(dialect)
    told(dialect, SERVER_INFO)
    list(dialect.started(StartedCall("sid-1")))
    assert told(dialect, CALL_INFO) == TALKING
    return dialect


def heard(dialect: Dialect, *messages: bytes) -> bytes:
    played = b""
    for message in messages:
        for action in told(dialect, message):
            assert isinstance(action, Play)
            played += action.data
    return played


class TestHandshake:
    def test_in_order(self):
        dialect = WsMediaDialect()
        (wait,) = opened(dialect)
        assert isinstance(wait, WaitAtMost)
        assert told(dialect, SERVER_INFO) == [StartCall("media-7")]
        bind, wait = dialect.started(StartedCall("sid-1", "call-1"))
        assert isinstance(bind, Send)
        assert isinstance(bind.message, str)
        assert json.loads(bind.message) == {"type": "bind", "sid": "sid-1"}
        assert isinstance(wait, WaitAtMost)
        assert told(dialect, CALL_INFO) == TALKING

    def test_name_may_be_spelled_otherwise(self):
        dialect = WsMediaDialect()
        assert told(dialect, '{"type": "server_info", "server_name": "m"}') == [StartCall("m")]

    @pytest.mark.parametrize(
        "name", [{}, {"server-name": ""}, {"server_name": ""}, {"server-name": 7}]
    )
    def test_server_info_without_a_name_is_the_services_fault(self, name):
        with pytest.raises(ServiceError, match="server-name"):
            told(WsMediaDialect(), json.dumps({"type": "server_info"} | name))

    def test_server_info_that_never_comes_is_the_services_fault(self):
        dialect = WsMediaDialect()
        opened(dialect)
        with pytest.raises(ServiceError, match="server_info"):
            list(dialect.timed_out())

    def test_call_info_that_never_comes_is_not_waited_for(self):
        dialect = WsMediaDialect()
        told(dialect, SERVER_INFO)
        list(dialect.started(StartedCall("sid-1")))
        assert list(dialect.timed_out()) == TALKING
        assert told(dialect, CALL_INFO) == []

    def test_no_sid_means_to_connect_elsewhere_and_talk(self):
        dialect = WsMediaDialect()
        told(dialect, bytes(641))
        told(dialect, SERVER_INFO)
        started = StartedCall("", "call-1", "wss://media.example/1")
        assert list(dialect.started(started)) == [Reconnect("wss://media.example/1")]
        assert opened(dialect) == TALKING
        assert heard(dialect, b"\x01\x02") == b"\x02\x01"

    @pytest.mark.parametrize("text", ['{"type": "hello"}', "[]", "no json", "null", '{"type": 7}'])
    def test_other_texts_are_passed_on_at_any_time(self, text):
        dialect = WsMediaDialect()
        opened(dialect)
        (before,) = told(dialect, text)
        told(dialect, SERVER_INFO)
        assert isinstance(before, PassOn)
        assert [type(action) for action in told(talking(), text)] == [PassOn]

    def test_second_server_info_does_not_start_a_second_call(self):
        dialect = talking()
        assert [type(action) for action in told(dialect, SERVER_INFO)] == [PassOn]

    def test_audio_is_played_from_the_bind_on(self):
        """Before, nobody has said in which codec; after, it tells as much as a call_info."""
        dialect = WsMediaDialect("pcmu")
        opened(dialect)
        assert heard(dialect, b"\x01") == b""
        told(dialect, SERVER_INFO)
        assert heard(dialect, b"\x01") == b""
        list(dialect.started(StartedCall("sid-1")))
        assert told(dialect, b"\x01") == [*TALKING, Play(ulaw_to_int16(b"\x01").tobytes())]
        assert told(dialect, CALL_INFO) == []
        assert dialect.statistics()["early_messages"] == 2

    def test_every_state_takes_audio_and_is_reached(self):
        lines = WsMediaDialect.TRANSITIONS.items()
        assert {state for (state, event), _ in lines if event == "audio"} == set(State)
        reached = {State.SERVER}
        while more := {to for (state, _), (to, _) in lines if state in reached} - reached:
            reached |= more
        assert reached == set(State)

    def test_call_cannot_be_started_twice(self):
        dialect = talking()
        with pytest.raises(KeyError):
            list(dialect.started(StartedCall("sid-2")))

    def test_sid_that_the_service_repeats_is_not_passed_on(self):
        assert told(talking(), '{"type": "bound", "sid": "sid-1"}') == [
            PassOn('{"type": "bound", "sid": "***"}')
        ]

    def test_secrets_stay_out_of_the_repr(self):
        assert "sid-1" not in repr(StartedCall("sid-1", "c", "wss://x/token"))
        assert "token" not in repr(StartedCall("sid-1", "c", "wss://x/token"))
        assert "token" not in repr(Reconnect("wss://x/token"))


class TestFormats:
    def test_what_is_usual(self):
        dialect = WsMediaDialect()
        assert (dialect.codec, dialect.framing) == ("l16", "payload")
        assert (dialect.capture_samplerate, dialect.playout_samplerate) == (16_000, 16_000)

    @pytest.mark.parametrize("codec", ["pcmu", "pcma"])
    def test_g711_is_at_8_khz(self, codec):
        dialect = WsMediaDialect(codec)
        assert (dialect.capture_samplerate, dialect.playout_samplerate) == (8000, 8000)

    @pytest.mark.parametrize("codec", ["opus", "", "L16"])
    def test_codec_that_is_not_spoken_says_which_to_choose(self, codec):
        with pytest.raises(UsageError, match=f"codec '{codec}': choose l16 or pcmu or pcma"):
            WsMediaDialect(codec)

    def test_framing_that_is_not_spoken(self):
        with pytest.raises(UsageError, match="choose payload or rtp"):
            WsMediaDialect(framing="ogg")

    @pytest.mark.parametrize("framing", ["payload", "rtp"])
    @pytest.mark.parametrize(
        ("codec", "encode"),
        [
            ("l16", lambda samples: samples.byteswap()),
            ("pcmu", int16_to_ulaw),
            ("pcma", int16_to_alaw),
        ],
    )
    def test_chunks_are_encoded(self, codec, framing, encode):
        samples = np.arange(-160, 160, dtype=np.int16) * 200
        message = talking(codec=codec, framing=framing).encode(samples.tobytes())
        payload = message[12:] if framing == "rtp" else message
        assert payload == encode(samples).tobytes()
        assert len(message) - len(payload) == (12 if framing == "rtp" else 0)

    @pytest.mark.parametrize(
        ("codec", "decode"), [("pcmu", ulaw_to_int16), ("pcma", alaw_to_int16)]
    )
    def test_g711_is_decoded(self, codec, decode):
        codes = bytes(range(256))
        dialect = talking(codec=codec)
        assert heard(dialect, codes[:7], b"", codes[7:]) == decode(codes).tobytes()


PAYLOAD_TYPES = {"l16": 96, "pcmu": 0, "pcma": 8}


def rtp(codec: str, *payloads: bytes) -> list[bytes]:
    sender = Sender(PAYLOAD_TYPES[codec])
    width = 2 if codec == "l16" else 1
    return [sender.packet(payload, len(payload) // width) for payload in payloads]


class TestRtpThatWasNotAskedFor:
    @pytest.mark.parametrize(("codec", "length"), [("l16", 640), ("pcmu", 160), ("pcma", 160)])
    def test_is_stripped_from_its_first_packet_on(self, codec, length):
        payloads = [bytes([n]) * length for n in range(1, 6)]
        dialect = talking(codec=codec)
        assert heard(dialect, *rtp(codec, *payloads)) == heard(talking(codec=codec), *payloads)
        assert dialect.statistics()["rtp_packets"] == 5

    @pytest.mark.parametrize("field", ["payload type", "timestamp"])
    def test_what_is_odd_of_it_does_not_hide_it(self, field):
        """It is stripped if it can be played, and else refused, but never played as noise."""
        messages = rtp("l16", *(bytes([n]) * 640 for n in range(1, 60)))
        odd = [
            message[:1] + b"\x0b" + message[2:]
            if field == "payload type"
            else message[:4] + bytes(4) + message[8:]
            for message in messages
        ]
        dialect = talking()
        if field == "timestamp":
            assert heard(dialect, *odd) == b"".join(message[12:] for message in messages)
            return
        with pytest.raises(ServiceError, match="no l16 in RTP"):
            heard(dialect, *odd)

    def test_after_ordinary_audio(self):
        payloads = [bytes([n]) * 640 for n in range(1, 4)]
        dialect = talking()
        assert heard(dialect, b"\x07\x07", *rtp("l16", *payloads)) == b"\x07\x07" + b"".join(
            payloads
        )

    def test_numbers_that_do_not_follow_are_audio(self):
        messages = [rtp("l16", bytes([n]) * 640)[0] for n in range(1, 6)]
        dialect = talking()
        played = heard(dialect, *messages)
        for action in dialect.closed():
            assert isinstance(action, Play)
            played += action.data
        assert played == heard(talking(), b"".join(messages))
        assert dialect.statistics()["rtp_packets"] == 0

    def test_what_was_held_back_is_played_at_the_end(self):
        (message,) = rtp("l16", bytes(640))
        dialect = talking()
        assert heard(dialect, message) == b""
        (play,) = dialect.closed()
        assert isinstance(play, Play)
        assert len(play.data) == 652
        assert list(dialect.closed()) == []

    @given(st.lists(st.binary(min_size=652, max_size=652), max_size=4))
    def test_no_audio_is_lost(self, messages):
        messages = [b"\x80" + message[1:] for message in messages]
        dialect = talking()
        played = heard(dialect, *messages)
        played += b"".join(action.data for action in dialect.closed() if isinstance(action, Play))
        assert len(played) == 652 * len(messages)


class TestRtpThatWasAskedFor:
    def test_is_stripped(self):
        payloads = [bytes([n]) * 640 for n in range(1, 4)]
        assert heard(talking(framing="rtp"), *rtp("l16", *payloads)) == b"".join(payloads)

    def test_is_spoken_so_that_it_can_be_heard(self):
        dialect = talking(framing="rtp")
        chunks = [bytes([n, 0]) * 320 for n in range(1, 4)]
        assert heard(talking(framing="rtp"), *map(dialect.encode, chunks)) == b"".join(chunks)

    def test_a_message_that_is_no_rtp_is_counted(self):
        dialect = talking(framing="rtp")
        assert heard(dialect, b"\x00" * 640, *rtp("l16", b"\x01\x02")) == b"\x02\x01"
        assert dialect.statistics()["rtp_invalid"] == 1

    def test_another_payload_type_is_not_played(self):
        dialect = talking(codec="pcmu", framing="rtp")
        assert heard(dialect, Sender(13).packet(b"\x40", 0), *rtp("pcmu", b"\xff")) == b"\0\0"
        assert dialect.statistics()["rtp_foreign"] == 1

    def test_noise_that_looks_like_rtp_now_and_then_is_the_services_fault(self):
        noise = np.random.default_rng(1).bytes(640 * 100)
        with pytest.raises(ServiceError, match="choose another framing"):
            heard(talking(framing="rtp"), *(noise[at : at + 640] for at in range(0, 64_000, 640)))

    def test_a_second_without_rtp_is_the_services_fault(self):
        dialect = talking(framing="rtp")
        with pytest.raises(ServiceError, match="choose another framing"):
            heard(dialect, *[bytes(640)] * 50)


def test_messages_are_20_ms_on_a_steady_clock():
    assert WsMediaDialect.paced
    assert math.isclose(WsMediaDialect.chunk_seconds, 0.02)
