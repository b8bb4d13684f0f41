"""How a ws-media call is started: what the service may answer, and functions of a backend's."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from websockets.trio.server import ServerConnection
from websockets.trio.server import serve as websockets_serve

from sfclient import (
    AgentNotFoundError,
    Audio,
    AuthenticationError,
    MemoryInput,
    MemoryOutput,
    NetworkError,
    ServiceError,
    Session,
    StartedCall,
    UsageError,
    open_call,
)
from sfclient._stats import without_a_call
from sfclient.simulator import EchoAgent, open_simulator

from .conftest import BASE_URL, START, listen, session_of


@asynccontextmanager
async def open_server(
    serve: Callable[[ServerConnection], Awaitable[None]],
) -> AsyncIterator[str]:
    """Of the test's own, for what the simulator would not do."""
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(websockets_serve, serve, 0, host="127.0.0.1"))
        yield f"ws://127.0.0.1:{server.listeners[0].socket.getsockname()[1]}/"
        nursery.cancel_scope.cancel()


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
        assert without_a_call(told.value, None).call_id == "call-7"

    @pytest.mark.parametrize("body", [{}, {"callId": "c"}, {"sid": "", "wsMediaUrl": ""}])
    async def test_answer_without_sid_and_url(self, body):
        async with open_simulator(listen, answers={START: (200, body)}) as simulator:
            session = await session_of(simulator)
            with pytest.raises(ServiceError, match="no wsMediaUrl") as told:
                async with open_call(session, Audio(MemoryInput(), MemoryOutput())):
                    raise AssertionError
        assert told.value.call_id == body.get("callId")

    async def test_sid_that_is_too_long_to_be_one(self):
        body = {"callId": "c", "sid": "sid" * 1000}
        async with open_simulator(listen, answers={START: (200, body)}) as simulator:
            session = await session_of(simulator)
            with pytest.raises(ServiceError, match="sid of the call has 3000 characters"):
                async with open_call(session, Audio(MemoryInput(), MemoryOutput())):
                    raise AssertionError

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
                assert call.statistics().dialect_counts["early_messages"] == 600

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


async def test_call_that_is_cancelled_in_its_handshake_has_told_its_id(fast_clock):
    told: list[str] = []
    async with open_simulator(listen, quirks=["no_call_info"]) as simulator:
        session = await session_of(simulator)
        audio = Audio(MemoryInput(), MemoryOutput())
        with trio.move_on_after(1) as patience:
            async with open_call(session, audio, on_call_id=told.append):
                raise AssertionError
        assert patience.cancelled_caught
        assert told == [call.call_id for call in simulator.calls]
    assert told


async def test_call_that_is_cancelled_as_it_is_started_has_told_its_id(fast_clock):
    """A function that nothing can cancel knows the call, so the caller must get to know it too."""
    told: list[str] = []

    async def start(server_name: str) -> StartedCall:
        patience.cancel()
        return StartedCall("sid", "call-5")

    async with open_simulator(listen) as simulator:
        session = Session((await session_of(simulator)).url, "ws-media", start_call=start)
        with trio.CancelScope() as patience:
            audio = Audio(MemoryInput(), MemoryOutput())
            async with open_call(session, audio, on_call_id=told.append):
                raise AssertionError
    assert told == ["call-5"]


async def test_error_in_the_function_that_is_told_the_id_leaves_as_itself(fast_clock):
    def fail(call_id: str) -> None:
        raise LookupError(call_id)

    async with open_simulator(listen) as simulator:
        session = await session_of(simulator)
        with pytest.raises(LookupError):
            async with open_call(session, Audio(MemoryInput(), MemoryOutput()), on_call_id=fail):
                raise AssertionError
