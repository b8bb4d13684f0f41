"""A ws-media call from the key to the record: what is asked of the service, in which order, and what it may answer."""

import json
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest
import trio
from websockets.trio.server import ServerConnection
from websockets.trio.server import serve as websockets_serve

from sfclient import (
    AgentNotFoundError,
    Audio,
    AuthenticationError,
    Call,
    Connected,
    MemoryInput,
    MemoryOutput,
    MessageReceived,
    NetworkError,
    ServiceError,
    Session,
    StartedCall,
    UsageError,
    open_call,
    request_result,
    request_session,
)
from sfclient._report import report
from sfclient.simulator import EchoAgent, SimulatedCall, Simulator, SpeakAgent, open_simulator

BASE_URL = "GET /calls/outbound-test-ws-media/base-url"
START = "POST /calls/outbound-test-ws-media"
NUMBERS = {"from_number": "+49301234", "to_number": "+49305678"}


def noise(seconds: float, samplerate: int = 16_000) -> bytes:
    samples = np.random.default_rng(1).integers(1, 32768, round(seconds * samplerate), np.int16)
    samples[::2] *= -1
    return samples.tobytes()


async def listen(call: SimulatedCall) -> None:
    await trio.sleep_forever()


async def session_of(simulator: Simulator, agent: str = "agent", **options: Any) -> Session:
    return await request_session(
        agent,
        **{
            "api_key": simulator.key,
            "base_url": simulator.base_url,
            "dialect": "ws-media",
            **NUMBERS,
            **options,
        },
    )


@asynccontextmanager
async def open_server(
    serve: Callable[[ServerConnection], Awaitable[None]],
) -> AsyncIterator[str]:
    """Of the test's own, for what the simulator would not do."""
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(websockets_serve, serve, 0, host="127.0.0.1"))
        yield f"ws://127.0.0.1:{server.listeners[0].socket.getsockname()[1]}/"
        nursery.cancel_scope.cancel()


class Held:
    def __init__(self, call: Call, simulator: Simulator, speaker: MemoryOutput) -> None:
        self.call = call
        self.simulator = simulator
        self.speaker = speaker

    @property
    def heard(self) -> bytes:
        samples = np.frombuffer(self.speaker.heard, np.int16)
        return samples[samples != 0].tobytes()


@asynccontextmanager
async def hold(
    agent: Any = listen,
    *,
    say: bytes = b"",
    quirks: tuple[str, ...] = (),
    answers: Any = None,
    **options: Any,
) -> AsyncIterator[Held]:
    rate = 16_000 if options.get("codec", "l16") == "l16" else 8000
    speaker = MemoryOutput()
    async with open_simulator(agent, quirks=quirks, answers=answers or {}) as simulator:
        session = await session_of(simulator, **options)
        microphone = MemoryInput(say, samplerate=rate)
        async with open_call(session, Audio(microphone, speaker)) as call:
            yield Held(call, simulator, speaker)


class TestOrder:
    async def test_what_is_asked_for_is_what_the_contract_wants(self, fast_clock):
        version = "6f1e2c1a-0f3e-4ac0-9a56-2d6a30a3b0a1"
        async with hold(lead_name="Ada", agent_version=version) as held:
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
    async def test_version_of_the_agent(self, fast_clock, version):
        async with hold(agent_version=version) as held:
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
    async def test_call_is_held_all_the_same(self, fast_clock, quirks):
        spoken, answer = noise(1), noise(0.5)
        agent = SpeakAgent(answer, "burst")
        async with hold(agent, say=spoken, quirks=quirks) as held:
            await trio.sleep(2)
            assert held.call.connected
            (call,) = held.simulator.calls
        assert call.received_audio.startswith(spoken)
        assert held.heard.endswith(answer)

    async def test_other_texts_are_events(self, fast_clock):
        async with hold(quirks=("chatty",)) as held:
            held.call.hang_up()
            events = [event async for event in held.call]
        assert MessageReceived('{"type": "hello"}', {"type": "hello"}) in events

    async def test_payload_though_rtp_was_asked_for_is_the_services_fault(self, fast_clock):
        with pytest.raises(ServiceError, match="choose another framing"):
            async with hold(
                SpeakAgent(noise(5), "realtime"), framing="rtp", quirks=("payload_anyway",)
            ) as held:
                await held.call.wait_ended()

    async def test_agent_that_speaks_and_hangs_up_without_a_call_info_is_heard_out(
        self, fast_clock
    ):
        answer = noise(0.5)
        agent = SpeakAgent(answer, "burst", then="close")
        async with hold(agent, quirks=("no_call_info",)) as held:
            ended = await held.call.wait_ended()
        assert (ended.by, ended.audio) == ("agent", "drained")
        assert held.heard == answer

    async def test_server_info_that_never_comes(self, fast_clock):
        with pytest.raises(ServiceError, match="no server_info within 8 s"):
            async with hold(quirks=("no_server_info",)):
                raise AssertionError

    async def test_server_info_without_a_name(self, fast_clock):
        with pytest.raises(ServiceError, match="server-name"):
            async with hold(quirks=("nameless_server_info",)):
                raise AssertionError


@pytest.mark.parametrize("code", [1008, 1011])
async def test_any_close_code_ends_the_call_when_the_last_word_is_played(fast_clock, code):
    answer = noise(0.5)

    async def agent(call: SimulatedCall) -> None:
        await call.send_audio(answer)
        await call.close(code, "out of words")

    async with hold(agent) as held:
        ended = await held.call.wait_ended()
    assert (ended.by, ended.code, ended.audio) == ("agent", code, "drained")
    assert held.heard == answer


async def test_recording_is_bit_for_bit_on_both_sides(fast_clock, tmp_path):
    spoken, answer = noise(1), noise(0.5)
    path = tmp_path / "both.wav"
    async with open_simulator(SpeakAgent(answer, "burst")) as simulator:
        session = await session_of(simulator)
        audio = Audio(MemoryInput(spoken, samplerate=16_000), MemoryOutput())
        async with open_call(session, audio, record=path):
            await trio.sleep(2)
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 2)
        sides = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    assert sides[:16_000, 0].tobytes() == spoken
    assert sides[sides[:, 1] != 0, 1].tobytes() == answer


class TestFormats:
    @pytest.mark.parametrize("framing", ["payload", "rtp"])
    @pytest.mark.parametrize("codec", ["l16", "pcmu", "pcma"])
    async def test_every_codec_both_ways(self, fast_clock, codec, framing):
        """G.711 gives back its own values as they are, so the echo is what came."""
        rate = 16_000 if codec == "l16" else 8000
        async with hold(EchoAgent(), say=noise(1, rate), codec=codec, framing=framing) as held:
            await trio.sleep(2)
            (call,) = held.simulator.calls
            lengths = {m.length for m in call.messages if m.kind == "binary"}
            said = np.frombuffer(call.received_audio, np.int16)[:rate]
        assert lengths == {(640 if codec == "l16" else 160) + (12 if framing == "rtp" else 0)}
        assert said[said != 0].tobytes() in held.heard
        error = np.abs(said.astype(float) - np.frombuffer(noise(1, rate), np.int16))
        assert error.max() <= (0 if codec == "l16" else 1024)

    async def test_counts_of_rtp_are_in_the_statistics(self, fast_clock):
        async with hold(EchoAgent(), framing="rtp") as held:
            await trio.sleep(1)
        counts = held.call.statistics().dialect
        assert counts["rtp_packets"] > 20
        assert counts["rtp_lost"] == counts["rtp_invalid"] == 0


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "kind", "message"),
        [
            (401, AuthenticationError, "key"),
            (402, UsageError, "credit"),
            (403, AuthenticationError, "key"),
            (404, ServiceError, "HTTP 404"),
            (429, ServiceError, "wait"),
            (500, ServiceError, "HTTP 500"),
            (503, ServiceError, "not enabled"),
        ],
    )
    async def test_of_a_session(self, status, kind, message):
        answers = {BASE_URL: (status, {"error": "told why"})}
        async with open_simulator(listen, answers=answers) as simulator:
            with pytest.raises(kind, match=message) as told:
                await session_of(simulator)
        assert type(told.value) is kind
        assert "told why" in str(told.value)

    @pytest.mark.parametrize(
        ("status", "kind", "message"),
        [
            (400, UsageError, "numbers"),
            (401, AuthenticationError, "key"),
            (402, UsageError, "credit"),
            (403, AuthenticationError, "key"),
            (404, AgentNotFoundError, "agent"),
            (429, ServiceError, "wait"),
            (500, ServiceError, "HTTP 500"),
            (502, ServiceError, "room"),
            (503, ServiceError, "not enabled"),
        ],
    )
    async def test_of_a_call_which_is_not_asked_for_again(self, status, kind, message):
        answers = {START: (status, {"error": "told why"})}
        async with open_simulator(listen, answers=answers) as simulator:
            session = await session_of(simulator)
            with pytest.raises(kind, match=message) as told:
                async with open_call(session, Audio(MemoryInput(), MemoryOutput())):
                    raise AssertionError
            assert simulator.requests[START] == 1
        assert type(told.value) is kind
        assert "told why" in str(told.value)
        assert told.value.call_id is None

    async def test_call_that_may_have_begun_is_named(self):
        answers = {START: (502, {"error": "room join failed", "callId": "call-7"})}
        async with open_simulator(listen, answers=answers) as simulator:
            session = await session_of(simulator)
            with pytest.raises(ServiceError, match="call-7 may have begun") as told:
                async with open_call(session, Audio(MemoryInput(), MemoryOutput())):
                    raise AssertionError
            assert simulator.requests[START] == 1
        assert told.value.call_id == "call-7"
        assert report(None, told.value)["call_id"] == "call-7"

    @pytest.mark.parametrize("body", [{}, {"callId": "c"}, {"sid": "", "wsMediaUrl": ""}])
    async def test_answer_without_sid_and_url(self, body):
        async with open_simulator(listen, answers={START: (200, body)}) as simulator:
            session = await session_of(simulator)
            with pytest.raises(ServiceError, match="no wsMediaUrl") as told:
                async with open_call(session, Audio(MemoryInput(), MemoryOutput())):
                    raise AssertionError
        assert told.value.call_id == body.get("callId")

    async def test_url_of_the_call_of_the_wrong_kind(self):
        body = {"callId": "c", "wsMediaUrl": "https://x/token-7"}
        async with open_simulator(listen, answers={START: (200, body)}) as simulator:
            session = await session_of(simulator)
            with pytest.raises(ServiceError, match="begins with https://") as told:
                async with open_call(session, Audio(MemoryInput(), MemoryOutput())):
                    raise AssertionError
        assert told.value.call_id == "c"
        assert "token-7" not in str(told.value)

    async def test_answer_without_base_url(self):
        async with open_simulator(listen, answers={BASE_URL: (200, {})}) as simulator:
            with pytest.raises(ServiceError, match="no wsMediaBaseUrl"):
                await session_of(simulator)

    async def test_sid_that_the_service_repeats_is_not_told(self):
        async def serve(connection: ServerConnection) -> None:
            await connection.send('{"type": "server_info", "server-name": "m"}')
            await connection.recv()
            await connection.aclose(1008, "unknown sid secret-sid")

        async def start(server_name: str) -> StartedCall:
            return StartedCall("secret-sid", "call-9")

        async with open_server(serve) as url:
            with pytest.raises(ServiceError, match=r"1008 unknown sid \*\*\*") as told:
                async with open_call(
                    Session(url, "ws-media", start_call=start),
                    Audio(MemoryInput(), MemoryOutput()),
                ):
                    raise AssertionError
        assert told.value.call_id == "call-9"

    async def test_wrong_sid_is_told_as_the_service_tells_it(self):
        answers = {START: (200, {"callId": "call-8", "sid": "wrong"})}
        async with open_simulator(listen, answers=answers) as simulator:
            session = await session_of(simulator)
            with pytest.raises(ServiceError, match="before the call began: 1008") as told:
                async with open_call(session, Audio(MemoryInput(), MemoryOutput())):
                    raise AssertionError
        assert told.value.call_id == "call-8"


class TestBackend:
    """The key stays on a backend; the client has the base URL, and asks for the sid."""

    async def test_backend_makes_both_requests(self, fast_clock):
        async with open_simulator(EchoAgent()) as simulator:
            on_backend = await session_of(simulator)
            asked = []

            async def ask_backend(server_name: str) -> StartedCall:
                asked.append(server_name)
                assert on_backend.start_call is not None
                started = await on_backend.start_call(server_name)
                return StartedCall(sid=started.sid)

            session = Session(on_backend.url, "ws-media", start_call=ask_backend)
            async with open_call(session, Audio(MemoryInput(), MemoryOutput())) as call:
                await trio.sleep(1)
            assert call.connected
            assert call.call_id is None
            assert asked == [simulator.calls[0].order["wsMediaServerName"]]

    async def test_session_without_start_call_is_refused(self):
        with pytest.raises(UsageError, match="start_call"):
            async with open_call(Session("wss://media.example/", "ws-media")):
                raise AssertionError

    async def test_error_of_the_function_ends_the_call_as_it_is(self):
        async def fail(server_name: str) -> StartedCall:
            raise LookupError(server_name)

        async with open_simulator(listen) as simulator:
            url = (await session_of(simulator)).url
            with pytest.raises(LookupError):
                async with open_call(
                    Session(url, "ws-media", start_call=fail),
                    Audio(MemoryInput(), MemoryOutput()),
                ):
                    raise AssertionError

    async def test_function_that_never_returns(self, fast_clock):
        async def sleep(server_name: str) -> StartedCall:
            await trio.sleep_forever()
            raise AssertionError

        fast_clock.rate = 50
        async with open_simulator(listen) as simulator:
            url = (await session_of(simulator)).url
            with pytest.raises(NetworkError, match="30 s"):
                async with open_call(
                    Session(url, "ws-media", start_call=sleep),
                    Audio(MemoryInput(), MemoryOutput()),
                ):
                    raise AssertionError

    async def test_websocket_stays_alive_while_the_function_works(self, fast_clock):
        """Hundreds of messages come meanwhile, and pings are answered."""
        pongs = []

        async def serve(connection: ServerConnection) -> None:
            await connection.send('{"type": "server_info", "server-name": "m"}')
            for _ in range(600):
                await connection.send(bytes(640))
            pong = await connection.ping()
            with trio.fail_after(5):
                await pong.wait()
            pongs.append(1)
            await connection.recv()
            await connection.send('{"type": "call_info"}')
            await trio.sleep_forever()

        async def start(server_name: str) -> StartedCall:
            await trio.sleep(10)
            return StartedCall("sid")

        async with open_server(serve) as url:
            session = Session(url, "ws-media", start_call=start)
            async with open_call(session, Audio(MemoryInput(), MemoryOutput())) as call:
                assert pongs
                assert call.statistics().dialect["early_messages"] == 600

    @pytest.mark.parametrize("answer", [None, {"sid": "secret-sid"}, "secret-sid", StartedCall("")])
    async def test_function_that_returns_something_else(self, answer):
        async def start(server_name: str) -> Any:
            return answer

        async with open_simulator(listen) as simulator:
            url = (await session_of(simulator)).url
            with pytest.raises(UsageError, match="StartedCall") as told:
                async with open_call(
                    Session(url, "ws-media", start_call=start),
                    Audio(MemoryInput(), MemoryOutput()),
                ):
                    raise AssertionError
        assert "secret-sid" not in str(told.value)

    async def test_secrets_stay_out_of_the_repr(self):
        async with open_simulator(listen) as simulator:
            session = await session_of(simulator)
        assert simulator.key not in repr(session)
        assert session.url not in repr(session)


class TestRecord:
    async def test_call_id_is_in_events_statistics_and_report(self, fast_clock):
        async with hold() as held:
            held.call.hang_up()
            events = [event async for event in held.call]
            (call,) = held.simulator.calls
        assert call.call_id is not None
        assert Connected(call.call_id) in events
        assert held.call.call_id == held.call.statistics().call_id == call.call_id
        assert report(held.call)["call_id"] == call.call_id
        json.dumps(report(held.call))

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
        with pytest.raises(UsageError, match="variable of the environment"):
            await request_result("c", api_key="k")

    async def test_empty_call_id(self):
        with pytest.raises(UsageError, match="call ID is empty"):
            await request_result(" ", api_key="k")
