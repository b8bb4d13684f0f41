"""A ws-media call: what is ordered, how it sounds, what it puts up with, and what is left of it."""

import json
import wave

import numpy as np
import pytest
import trio

from sfclient import (
    Audio,
    AuthenticationError,
    Connected,
    MemoryInput,
    MemoryOutput,
    MessageReceived,
    ServiceError,
    UsageError,
    open_call,
    request_result,
    request_session,
)
from sfclient._stats import record_of, write_stats
from sfclient.simulator import EchoAgent, SimulatedCall, SpeakAgent, open_simulator

from .conftest import BASE_URL, NUMBERS, START, listen, noise, session_of

RATE = 16_000


@pytest.fixture
def dialect() -> str:
    return "ws-media"


@pytest.fixture
def device_samplerate() -> None:
    """The wire's: all that is heard here is looked at bit by bit."""


class TestOrder:
    async def test_what_is_asked_for_is_what_the_contract_wants(self, hold, fast_clock):
        version = "6f1e2c1a-0f3e-4ac0-9a56-2d6a30a3b0a1"
        async with hold(order={"lead_name": "Ada", "agent_version": version}) as held:
            (call,) = held.simulator.calls
        assert call.order == {
            "modelId": "agent",
            "fromPhoneNumber": "+49301234",
            "toPhoneNumber": "+49305678",
            "leadName": "Ada",
            "agentVersion": version,
            "wsMediaCodec": "l16",
            "wsMediaFraming": "payload",
            "wsMediaServerName": call.order["wsMediaServerName"],
        }
        assert held.simulator.requests == {BASE_URL: 1, "GET /ws-media": 1, START: 1}

    @pytest.mark.parametrize("version", [None, "draft"])
    async def test_version_of_the_agent(self, hold, fast_clock, version):
        async with hold(order={"agent_version": version}) as held:
            (call,) = held.simulator.calls
        assert call.order.get("agentVersion") == version

    @pytest.mark.parametrize("missing", ["from_number", "to_number"])
    @pytest.mark.parametrize("number", [None, "", " "])
    async def test_numbers_are_needed(self, missing, number):
        with pytest.raises(UsageError, match="from_number and to_number"):
            await request_session(
                "a", api_key="k", dialect="ws-media", **{**NUMBERS, missing: number}
            )

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"agent_version": "7"}, "agent_version must be draft or the UUID"),
            ({"codec": "opus"}, "'opus': choose l16"),
            ({"framing": "ogg"}, "'ogg': choose payload"),
            ({"region": "mars"}, "'mars': choose us or eu"),
            ({"region": "eu", "base_url": "https://x"}, "not both"),
        ],
    )
    async def test_impossible_options_are_told_before_anything_is_asked(self, options, message):
        with pytest.raises(UsageError, match=message):
            await request_session("a", api_key="k", dialect="ws-media", **NUMBERS, **options)

    @pytest.mark.parametrize("option", [*NUMBERS, "lead_name", "agent_version", "codec", "region"])
    async def test_widget_knows_none_of_this(self, option):
        with pytest.raises(UsageError, match="widget"):
            await request_session("a", api_key="k", **{option: "pcmu"})

    async def test_dialect_that_nobody_speaks(self):
        with pytest.raises(UsageError, match="widget, ws-media"):
            await request_session("a", api_key="k", dialect="klingon")


class TestTolerance:
    @pytest.mark.parametrize(
        "quirks",
        [
            (),
            ("server_name",),
            ("late_server_info",),
            ("chatty",),
            ("early_audio",),
            ("no_call_info",),
            ("no_sid",),
            ("rtp_anyway",),
            ("chatty", "early_audio", "no_call_info", "rtp_anyway", "server_name"),
        ],
        ids="+".join,
    )
    async def test_call_is_held_all_the_same(self, hold, fast_clock, quirks):
        spoken, answer = noise(1, RATE), noise(0.5, RATE)
        agent = SpeakAgent(answer, "burst")
        async with hold(agent, say=spoken, serve={"quirks": quirks}) as held:
            await trio.sleep(2)
            assert held.call.connected
            (call,) = held.simulator.calls
        assert call.received_audio.startswith(spoken)
        assert held.heard.endswith(answer)

    async def test_other_texts_are_events(self, hold, fast_clock):
        async with hold(serve={"quirks": ["chatty"]}) as held:
            held.call.hang_up()
            events = [event async for event in held.call]
        assert MessageReceived('{"type": "hello"}', {"type": "hello"}) in events

    async def test_payload_though_rtp_was_asked_for_is_the_services_fault(self, hold, fast_clock):
        with pytest.raises(ServiceError, match="choose another framing"):
            async with hold(
                SpeakAgent(noise(5, RATE), "realtime"),
                order={"framing": "rtp"},
                serve={"quirks": ["payload_anyway"]},
            ) as held:
                await held.call.wait_ended()

    async def test_agent_that_speaks_and_hangs_up_without_a_call_info_is_heard_out(
        self, hold, fast_clock
    ):
        answer = noise(0.5, RATE)
        agent = SpeakAgent(answer, "burst", then="close")
        async with hold(agent, serve={"quirks": ["no_call_info"]}) as held:
            ended = await held.call.wait_ended()
        assert (ended.by, ended.audio) == ("agent", "drained")
        assert held.heard == answer

    async def test_server_info_that_never_comes(self, hold, fast_clock):
        with pytest.raises(ServiceError, match="no server_info within 8 s"):
            async with hold(serve={"quirks": ["no_server_info"]}):
                raise AssertionError

    async def test_server_info_without_a_name(self, hold, fast_clock):
        with pytest.raises(ServiceError, match="server-name"):
            async with hold(serve={"quirks": ["nameless_server_info"]}):
                raise AssertionError


@pytest.mark.parametrize("code", [1008, 1011])
async def test_any_close_code_ends_the_call_when_the_last_word_is_played(hold, fast_clock, code):
    answer = noise(0.5, RATE)

    async def agent(call: SimulatedCall) -> None:
        await call.send_audio(answer)
        await call.close(code, "out of words")

    async with hold(agent) as held:
        ended = await held.call.wait_ended()
    assert (ended.by, ended.code, ended.audio) == ("agent", code, "drained")
    assert held.heard == answer


async def test_recording_is_bit_for_bit_on_both_sides(hold, fast_clock, tmp_path):
    spoken, answer = noise(1, RATE), noise(0.5, RATE)
    path = tmp_path / "both.wav"
    async with hold(SpeakAgent(answer, "burst"), say=spoken, record=path):
        await trio.sleep(2)
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 2)
        sides = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    assert sides[:16_000, 0].tobytes() == spoken
    assert sides[sides[:, 1] != 0, 1].tobytes() == answer


class TestFormats:
    @pytest.mark.parametrize("framing", ["payload", "rtp"])
    @pytest.mark.parametrize("codec", ["l16", "pcmu", "pcma"])
    async def test_every_codec_both_ways(self, hold, fast_clock, codec, framing):
        """G.711 gives back its own values as they are, so the echo is what came."""
        rate = 16_000 if codec == "l16" else 8000
        order = {"codec": codec, "framing": framing}
        async with hold(EchoAgent(), say=noise(1, rate), order=order) as held:
            await trio.sleep(2)
            (call,) = held.simulator.calls
            lengths = {m.length for m in call.messages if m.kind == "binary"}
            said = np.frombuffer(call.received_audio, np.int16)[:rate]
        assert lengths == {(640 if codec == "l16" else 160) + (12 if framing == "rtp" else 0)}
        assert said[said != 0].tobytes() in held.heard
        error = np.abs(said.astype(float) - np.frombuffer(noise(1, rate), np.int16))
        assert error.max() <= (0 if codec == "l16" else 1024)

    async def test_counts_of_rtp_are_in_the_statistics(self, hold, fast_clock):
        async with hold(EchoAgent(), order={"framing": "rtp"}) as held:
            await trio.sleep(1)
        counts = held.call.statistics().dialect_counts
        assert counts["rtp_packets"] > 20
        assert counts["rtp_lost"] == counts["rtp_invalid"] == 0


class TestRecord:
    async def test_call_id_is_in_events_statistics_and_their_file(self, hold, fast_clock, tmp_path):
        async with hold() as held:
            held.call.hang_up()
            events = [event async for event in held.call]
            (call,) = held.simulator.calls
        assert call.call_id is not None
        assert Connected(call.call_id) in events
        assert held.call.call_id == held.call.statistics().call_id == call.call_id
        write_stats(tmp_path / "stats.json", record_of(held.call.statistics()))
        assert json.loads((tmp_path / "stats.json").read_text())["call_id"] == call.call_id

    async def test_result_of_a_call(self, fast_clock):
        async def agent(call: SimulatedCall) -> None:
            call.transcript = "bot: Hello!\nhuman: Bye."
            await call.wait_ended()

        async with open_simulator(agent) as simulator:
            session = await session_of(simulator)
            async with open_call(session, Audio(MemoryInput(), MemoryOutput())) as call:
                pass
            await simulator.calls[0].wait_ended()
            assert call.call_id is not None
            result = await request_result(
                call.call_id, api_key=simulator.key, base_url=simulator.base_url
            )
        assert result.call_id == call.call_id
        assert result.status == "completed"
        assert result.end_reason == "caller_hangup"
        assert result.transcript == "bot: Hello!\nhuman: Bye."

    async def test_result_in_one_object(self):
        """The shape of the contract; the other is the vendor's usual wrapping."""
        fields = {"status": "completed", "end_call_reason": "bye", "transcript": "hello"}
        async with open_simulator(listen, answers={"GET /calls/c": (200, fields)}) as simulator:
            result = await request_result("c", api_key=simulator.key, base_url=simulator.base_url)
        assert (result.status, result.end_reason, result.transcript) == (
            "completed",
            "bye",
            "hello",
        )
        assert result.fields == fields

    @pytest.mark.parametrize(
        ("status", "body", "kind", "message"),
        [
            (404, {"error": "no such call"}, UsageError, "no such call"),
            (400, {}, UsageError, "knows no call 'c'"),
            (401, {}, AuthenticationError, "key"),
            (429, {}, ServiceError, "HTTP 429"),
            (200, {"response": {"calls": []}}, ServiceError, "later"),
            (200, {"status": "ok", "response": {"calls": None}}, ServiceError, "no status"),
            (200, {"hello": 1}, ServiceError, "no status"),
            (200, {"call_id": "d", "status": "completed"}, ServiceError, "another call"),
        ],
    )
    async def test_result_that_cannot_be_had(self, status, body, kind, message):
        async with open_simulator(listen, answers={"GET /calls/c": (status, body)}) as simulator:
            with pytest.raises(kind, match=message):
                await request_result("c", api_key=simulator.key, base_url=simulator.base_url)

    @pytest.mark.parametrize("text", ["\udcff"])
    async def test_what_a_terminal_could_not_decode(self, text):
        with pytest.raises(UsageError, match="cannot be sent"):
            await request_result(text, api_key="k")
        with pytest.raises(UsageError, match="cannot be sent"):
            await request_session(text, api_key="k")
        with pytest.raises(UsageError, match="cannot be sent"):
            await request_session("a", api_key="k", dialect="ws-media", lead_name=text, **NUMBERS)

    @pytest.mark.parametrize(
        ("name", "value"),
        [("HTTPS_PROXY", "ftp://x"), ("HTTPS_PROXY", "socks5://x"), ("SSL_CERT_FILE", "/no/file")],
    )
    async def test_environment_of_no_use(self, monkeypatch, name, value):
        monkeypatch.setenv(name, value)
        with pytest.raises(
            UsageError,
            match=f"environment variable {name} .*not supported|variable {name} is of no use",
        ):
            await request_result("c", api_key="k")

    async def test_empty_call_id(self):
        with pytest.raises(UsageError, match="call ID is empty"):
            await request_result(" ", api_key="k")
