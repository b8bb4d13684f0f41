"""How long a call lasts: any byte keeps it, silence ends it, and what ends it ends it soon."""

import gc
import json
import math
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import trio

from sfclient import (
    Audio,
    Call,
    GetSession,
    MemoryInput,
    MemoryOutput,
    NetworkError,
    Redial,
    ServiceError,
    Session,
    SfclientError,
    StreamInput,
    StreamOutput,
    TimeLimits,
    UsageError,
    _attempt,
    open_call,
)
from sfclient._call import HeldCall
from sfclient._voice import VoiceDetector

from .conftest import counted_at_once
from .raw_servers import accepted, frame, read_head, serving

READY = frame(1, json.dumps({"type": "status_agent_ready"}).encode())
SPEECH = frame(2, bytes(640))
CONTINUATION, TEXT, BINARY = 0, 1, 2

Script = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def open_call_with(
    script: Script,
    *,
    reads: bool = True,
    limits: TimeLimits | None = None,
    buffer: int | None = None,
) -> AsyncIterator[Call]:
    """A widget call with a peer that does what it likes after the upgrade, and throws away what it hears."""

    async def serve(stream: trio.abc.Stream) -> None:
        await stream.send_all(accepted(await read_head(stream)))
        async with trio.open_nursery() as nursery:
            if reads:
                nursery.start_soon(read, stream)
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await script(stream)
            nursery.cancel_scope.cancel()

    async def read(stream: trio.abc.Stream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while await stream.receive_some(1 << 20):
                pass

    async with serving(serve, buffer=buffer) as peer:
        audio = Audio(MemoryInput(), MemoryOutput())
        async with open_call(f"ws://{peer.authority}/", audio, limits=limits) as call:
            yield call


@asynccontextmanager
async def failing(kind: type[Exception], match: str) -> AsyncIterator[None]:
    """`serving` has a nursery of its own, around the error."""
    with pytest.RaisesGroup(pytest.RaisesExc(kind, match=match)):
        yield


async def say_nothing(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


class TestLiveness:
    async def test_speech_without_a_pong_keeps_a_call(self, fast_clock) -> None:
        """A pong may be queued behind speech on a slow link, or never come."""

        async def speak(stream: trio.SocketStream) -> None:
            await stream.send_all(READY)
            while True:
                await stream.send_all(SPEECH)
                await trio.sleep(1)

        async with open_call_with(speak, limits=TimeLimits(silence=4)) as call:
            await trio.sleep(15)
            assert call.ended is None

    async def test_our_own_back_pressure_does_not_count(self, fast_clock, monkeypatch) -> None:
        """More speech than is held: we do not read, so we cannot hear a pong."""
        monkeypatch.setattr("sfclient._playout.PLAYOUT_SECONDS", 0.5)
        monkeypatch.setattr("sfclient._playout.READ_ON_BYTES", 32_000)

        async def speak(stream: trio.SocketStream) -> None:
            await stream.send_all(READY + frame(2, bytes(32_000)) * 12 + frame(8, b"\x03\xe8"))
            await trio.sleep_forever()

        async with open_call_with(speak, limits=TimeLimits(silence=2)) as call:
            with trio.fail_after(60):
                ended = await call.wait_ended()
        assert (ended.by, ended.audio) == ("agent", "drained")
        assert call.statistics().playout.played_frames == 12 * 16_000

    async def test_a_busy_program_does_not_count(self, fast_clock, monkeypatch) -> None:
        async def late(seconds: float) -> bool:
            await trio.sleep(seconds)
            return False

        monkeypatch.setattr("sfclient._connection.sleep_on_time", late)

        async def say_ready(stream: trio.SocketStream) -> None:
            await stream.send_all(READY)
            await trio.sleep_forever()

        async with open_call_with(say_ready, limits=TimeLimits(silence=2)) as call:
            await trio.sleep(10)
            assert call.ended is None

    async def test_silent_far_side_is_pinged_and_its_pong_keeps_the_call(self, fast_clock) -> None:
        pings = []

        async def answer_pings(stream: trio.SocketStream) -> None:
            await stream.send_all(READY)
            while data := await stream.receive_some(1 << 20):
                for mask, masked in re.findall(rb"(?s)\x89\x84(....)(....)", data):
                    payload = bytes(a ^ b for a, b in zip(mask, masked, strict=True))
                    pings.append(trio.current_time())
                    await stream.send_all(frame(10, payload))

        limits = TimeLimits(silence=4)
        async with open_call_with(answer_pings, reads=False, limits=limits) as call:
            began = trio.current_time()
            await trio.sleep(15)
            assert call.ended is None
        assert pings[0] - began < 0.3  # or it would not be known whether they are answered
        assert 0.5 < pings[1] - began < 1.5
        assert len(pings) >= 9  # again and again

    async def test_far_side_that_speaks_and_pings_is_heard_though_it_does_not_read(
        self, fast_clock
    ) -> None:
        """Its pings are answered, in what room is left behind our own speech."""

        async def speak(stream: trio.SocketStream) -> None:
            await stream.send_all(READY)
            while True:
                await stream.send_all(SPEECH + frame(9, b"ping"))
                await trio.sleep(0.5)

        limits = TimeLimits(silence=4)
        async with open_call_with(speak, reads=False, limits=limits, buffer=4096) as call:
            await trio.sleep(5)
            early = call.statistics()
            await trio.sleep(15)
            assert call.ended is None
            late = call.statistics()
        assert late.capture.sent_frames == early.capture.sent_frames
        assert late.playout.received_frames - early.playout.received_frames > 25 * 320

    async def test_silence_is_a_dead_connection(self, fast_clock) -> None:
        async def say_ready(stream: trio.SocketStream) -> None:
            await stream.send_all(READY)
            await trio.sleep_forever()

        async with failing(NetworkError, "not a byte for 3 s"):
            async with open_call_with(say_ready, limits=TimeLimits(silence=3)):
                await trio.sleep(30)

    async def test_agent_who_only_answers_pings_holds_no_call(self, fast_clock) -> None:
        async def ping(stream: trio.SocketStream) -> None:
            while True:
                await stream.send_all(frame(10, b"pong"))
                await trio.sleep(1)

        async with failing(ServiceError, "sent no message for 5 s"):
            async with open_call_with(ping, limits=TimeLimits(first_message=5)):
                await trio.sleep(60)


class TestBounds:
    @pytest.mark.parametrize("fragment", [b"", b"ab"], ids=["empty", "small"])
    async def test_message_of_fragments_without_an_end(
        self, fast_clock, monkeypatch, fragment: bytes
    ) -> None:
        monkeypatch.setattr("sfclient._websocket.FRUITLESS_BYTES", 20_000)

        async def send(stream: trio.SocketStream) -> None:
            await stream.send_all(READY + frame(BINARY, b"", final=False))
            while True:
                await stream.send_all(frame(CONTINUATION, fragment, final=False) * 5000)

        async with failing(ServiceError, "1009 a message without an end"):
            async with open_call_with(send):
                await trio.sleep(1000)


class TestEndings:
    @pytest.mark.parametrize("moment", [0.0, 0.5, 1.5], ids=["at once", "talking", "hanging up"])
    @pytest.mark.parametrize("reads", [True, False], ids=["deaf", "stalled"])
    async def test_a_cancelled_call_is_gone_at_once(
        self, fast_clock, moment: float, reads: bool
    ) -> None:
        """Whatever the far side does: it answers no close, or does not even read."""
        fast_clock.rate = 2
        cancelled = math.inf
        async with serving(accept_and(say_nothing, reads)) as peer:
            with trio.CancelScope() as scope:

                async def cancel() -> None:
                    nonlocal cancelled
                    await trio.sleep(moment)
                    cancelled = trio.current_time()
                    scope.cancel()

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(cancel)
                    audio = Audio(MemoryInput(), MemoryOutput())
                    async with open_call(f"ws://{peer.authority}/", audio) as call:
                        await trio.sleep(1)
                        call.hang_up()
                        await trio.sleep_forever()
            assert trio.current_time() - cancelled < 0.1

    @pytest.mark.parametrize(
        "error", [KeyError("mine"), KeyboardInterrupt("mine"), ExceptionGroup("mine", [KeyError()])]
    )
    async def test_what_the_block_raises_is_what_the_caller_gets(
        self, fast_clock, error: BaseException
    ) -> None:
        """And not the network error that cancelled it."""
        caught: BaseException | None = None
        async with serving(accept_and_reset) as peer:
            try:
                audio = Audio(MemoryInput(), MemoryOutput())
                async with open_call(f"ws://{peer.authority}/", audio) as call:
                    try:
                        await trio.sleep_forever()
                    finally:
                        raise error
            except BaseException as raised:
                caught = raised
        assert caught is error
        assert call.ended is not None
        assert call.ended.by == "network"

    @pytest.mark.parametrize("error", [StopAsyncIteration("mine"), StopIteration("mine")])
    async def test_block_may_raise_what_no_generator_can(
        self, fast_clock, error: Exception
    ) -> None:
        """As one that asks for an event behind the last."""
        caught: BaseException | None = None
        async with serving(accept_and_reset) as peer:
            try:
                async with open_call(
                    f"ws://{peer.authority}/", Audio(MemoryInput(), MemoryOutput())
                ):
                    raise error
            except Exception as raised:
                caught = raised
        assert caught is error

    async def test_interrupt_while_it_closes_comes_before_what_the_block_raised(
        self, fast_clock, monkeypatch
    ) -> None:
        def interrupt(_: Call) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(HeldCall, "_finish", interrupt)
        async with serving(accept_and_reset) as peer:
            with pytest.raises(KeyboardInterrupt):
                async with open_call(
                    f"ws://{peer.authority}/", Audio(MemoryInput(), MemoryOutput())
                ):
                    raise KeyError("mine")

    async def test_error_of_a_nursery_in_the_block_brings_no_cancellation_along(
        self, fast_clock
    ) -> None:
        async def fail() -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise KeyError("mine")

        async with serving(accept_and_reset) as peer:
            with pytest.RaisesGroup(pytest.RaisesExc(KeyError, match="mine")):
                audio = Audio(MemoryInput(), MemoryOutput())
                async with open_call(f"ws://{peer.authority}/", audio), trio.open_nursery() as own:
                    own.start_soon(fail)
                    await trio.sleep_forever()


async def accept_and_reset(stream: trio.SocketStream) -> None:
    await stream.send_all(accepted(await read_head(stream)) + READY)
    await trio.sleep(1)
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


def accept_and(script: Script, reads: bool) -> Script:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.send_all(accepted(await read_head(stream)))
        while reads and await stream.receive_some(1 << 20):
            pass
        await script(stream)

    return serve


def endless() -> Iterator[bytes]:
    while True:
        yield bytes(640)


async def awaited(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        await trio.lowlevel.checkpoint()
        yield piece


class Deaf:
    """A model that never hears a voice."""

    def process(self, data: bytes) -> float:
        return 0.0


@counted_at_once
async def test_failed_call_leaves_no_cycle_with_its_queues(
    fast_clock, tmp_path, monkeypatch
) -> None:
    """A kiosk that calls again and again must not need the garbage collector to give megabytes back."""
    monkeypatch.setattr(_attempt, "load_voice_detector", partial(VoiceDetector, Deaf()))

    async def fail() -> None:
        for parts in ({}, {"echo": "cancel", "interrupt_after": 0.25}):
            await fail_with(Audio(MemoryInput(), MemoryOutput(), **parts))
        for pieces in (endless(), awaited(endless())):
            await fail_with(Audio(StreamInput(pieces, samplerate=16_000), StreamOutput()))
        failing = StreamInput((bytes(1 // n) for n in (1, 0)), samplerate=16_000)
        await fail_with(Audio(failing, StreamOutput()), UsageError)
        redial = Redial(first_pause=0.01, most_in_a_row=2)
        await fail_with(Audio(MemoryInput(), MemoryOutput()), session=fetch, redial=redial)

    async def fetch() -> Session:
        return Session(f"ws://{peer.authority}/")

    async def fail_with(
        audio: Audio,
        error: type[SfclientError] = NetworkError,
        *,
        session: GetSession | None = None,
        **options: Any,
    ) -> None:
        with pytest.raises(error):
            async with open_call(
                session or f"ws://{peer.authority}/",
                audio,
                record=tmp_path / "call.wav",
                timeline=True,
                **options,
            ):
                await trio.sleep_forever()

    async with serving(accept_and_reset) as peer:
        await fail()
        gc.collect()
        gc.disable()
        try:
            await fail()
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            left = {type(thing).__qualname__ for thing in gc.garbage}
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert not left & {
        *(
            "HeldCall",
            "RedialledCall",
            "Attempt",
            "Timeline",
            "Playout",
            "Uplink",
            "Recorder",
            "VirtualLine",
            "MemoryOutput",
        ),
        *("EchoFree", "Reference", "Interruption", "StreamInput", "StreamOutput"),
    }


@pytest.mark.parametrize("seconds", [0, -1, math.nan, "8", None])
def test_impossible_time_limit(seconds) -> None:
    with pytest.raises(UsageError, match="time limit silence must be more than 0 seconds"):
        TimeLimits(silence=seconds)
