"""One call as the server sees it: what the client sent, and all that can be done to the client."""

import json
import threading
import wave
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol
from weakref import ref

import trio

from sfclient.simulator._codecs import CallCodecs, MalformedRtpError
from sfclient.simulator._wire import ABNORMAL_CLOSURE, POLICY_VIOLATION, Side, Wire, WireClosed

Contract = Literal["widget", "ws-media"]


class CallEndedError(Exception):
    """The call is over, so there is nobody to talk to.

    The normal end of an agent that was still speaking: the simulator takes it from the agent.
    """


@dataclass(frozen=True)
class ReceivedMessage:
    """One websocket message of the client."""

    kind: Literal["binary", "text"]
    length: int
    """Bytes of payload."""
    arrived: float
    """Seconds on trio's clock."""
    text: str | None = None


@dataclass(frozen=True)
class Ended:
    """How a call ended: who was first to close it, with what; 1006 if without a close frame."""

    by: Side
    code: int
    reason: str
    at: float
    """Seconds on trio's clock."""


class Agent(Protocol):
    """Any ``async def agent(call)``.

    When it returns, the call is closed in order with code 1000; when it raises, with 1011, and
    the exception comes out of `open_simulator`. When the call ends first, it is cancelled.
    """

    async def __call__(self, call: "SimulatedCall", /) -> None: ...


class SimulatedCall:
    """A call in progress or over; `Simulator.calls` holds them all.

    It keeps everything that both sides said (up to 96 kB a second from the caller, 32 from the
    agent) until the simulator is gone: it is a test tool, not a server for days. With `keep` False
    it keeps what `audio` has yet to give, and the last second: then `messages` and `texts` stay empty,
    and so do `received_audio` and `sent_audio`.

    An agent acts through the coroutines below; they may be called from one task at a time, and
    raise `CallEndedError` once the client is gone. Reading is free to everyone at any time.
    """

    def __init__(
        self,
        wire: Wire,
        codecs: CallCodecs,
        *,
        call_id: str | None = None,
        order: dict[str, Any] | None = None,
        keep: bool = True,
    ) -> None:
        self.contract: Contract = "widget" if order is None else "ws-media"
        self.call_id = call_id
        """Of the order, for ``GET /calls/{call_id}``; None in a widget call."""
        self.order = order
        """The body of the POST that the call comes from; None in a widget call."""
        self.caller_samplerate = codecs.caller.samplerate
        """Hz of `received_audio`."""
        self.agent_samplerate = codecs.agent.samplerate
        """Hz of `sent_audio`."""
        self.agent_byterate = codecs.agent.byterate
        """Bytes a second of the agent's audio as it is coded, RTP headers not counted."""
        self.transcript = ""
        """What ``GET /calls/{call_id}`` tells; the agent may set it."""
        self.messages: list[ReceivedMessage] = []
        """All that the client sent, in order; in a ws-media call from its bind on, without it."""
        self.started = trio.current_time()
        """Seconds on trio's clock."""
        self.ended: Ended | None = None
        """None while the call lasts."""
        self._wire = wire
        self._codecs = codecs
        self._keeps = keep
        # As it is coded, without RTP; of what was received, that from byte `_forgotten` on.
        self._received = bytearray()
        self._received_bytes = self._forgotten = 0
        self._sent = bytearray()
        self._sent_bytes = 0
        # A bytearray must not be copied while it grows, as it would be by other threads without the GIL.
        self._growing = threading.Lock()
        self._audiences: list[ref[_CallerAudio]] = []  # none where all is kept
        # A ws-media client needs not say it.
        self._is_ready = self.contract == "ws-media"
        # Everyone who waits for a message or the end; each looks for itself whether it was its own.
        self._news = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        state = f"ended by {self.ended.by} ({self.ended.code})" if self.ended else "in progress"
        return f"<SimulatedCall {state}, {len(self.messages)} messages>"

    @property
    def received_audio(self) -> bytes:
        """The caller's PCM16 mono at `caller_samplerate` so far, messages joined. A copy."""
        with self._growing:
            received = bytes(self._received) if self._keeps else b""
        return self._codecs.caller.decode(received)

    @property
    def sent_audio(self) -> bytes:
        """The PCM16 mono at `agent_samplerate` given to the client so far. A copy.

        It is what the client hears: with what G.711 does to it. If the client went away, it may
        not have got the last message in full.
        """
        with self._growing:
            sent = bytes(self._sent)
        return self._codecs.agent.decode(sent)

    @property
    def heard_seconds(self) -> float:
        """How much audio of the caller has come, be it kept or not."""
        return self._received_bytes / self._codecs.caller.byterate

    @property
    def said_seconds(self) -> float:
        """How much audio was given to the client, be it kept or not."""
        return self._sent_bytes / self._codecs.agent.byterate

    @property
    def texts(self) -> list[str]:
        """The text messages of the client, as they came."""
        return [message.text for message in self.messages if message.text is not None]

    async def client_ready(self) -> None:
        """Wait for the client's first ``status_client_ready``: before, it does not listen.

        A ws-media client is ready when it is bound, or connected in the older flow.
        """
        while not self._is_ready:
            if self.ended:
                raise CallEndedError("the call ended without status_client_ready")
            await self._news.park()

    async def wait_ended(self) -> Ended:
        """Wait until the connection is gone and say how it went."""
        while self.ended is None:
            await self._news.park()
        return self.ended

    def audio(self) -> AsyncIterator[bytes]:
        """The caller's audio from the call's start, live: whole samples, any amount at a time.

        Ends with the call. Several may iterate at once, each hears everything; where nothing is
        kept, from a second before this is called.
        """
        return _CallerAudio(self)

    async def send(self, message: str | bytes) -> None:
        """Send one message as it is: text for `str`, agent audio for `bytes`, valid or not."""
        if isinstance(message, bytes):
            # Before the await: the client may act on the message before we run again.
            audio = self._codecs.agent_audio(message)
            self._sent_bytes += len(audio)
            if self._keeps:
                with self._growing:
                    self._sent += audio
        try:
            await self._wire.send(message)
        except WireClosed as exc:
            raise CallEndedError("the call ended while the agent was speaking") from exc

    async def send_audio(self, pcm: bytes, chunk_bytes: int | Iterable[int] | None = None) -> None:
        """Send PCM16 mono at `agent_samplerate`, at once, coded and then cut into messages.

        `chunk_bytes` None: one message, or RTP packets of 20 ms; a number: that many bytes of coded
        audio each; several: the lengths in turn, and what is left when they run out as one message.
        Odd lengths split samples. Raises ValueError for half a sample of `pcm` in a ws-media call.
        """
        for message in self.wire_messages(pcm, chunk_bytes):
            await self.send(message)

    def wire_messages(
        self, pcm: bytes, chunk_bytes: int | Iterable[int] | None = None
    ) -> Iterator[bytes]:
        """The messages of `send_audio`, for an agent that has its own pace: `send` them in order."""
        return self._codecs.agent_messages(pcm, chunk_bytes)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close in order and wait for the client's answer; without one in 10 s, drop it."""
        await self._wire.aclose(code, reason)

    async def abort(self) -> None:
        """Drop the connection without a close frame: the client sees the end of the stream."""
        await self._wire.abort()

    async def reset(self) -> None:
        """Break the connection: the client sees a TCP reset."""
        await self._wire.reset()

    def save(self, folder: Path | str) -> None:
        """Write caller.wav, agent.wav and messages.json into `folder`.

        Makes the folder, overwrites the files. Times in messages.json are seconds since the
        call's start. Raises OSError.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        _write_wav(folder / "caller.wav", self.received_audio, self.caller_samplerate)
        _write_wav(folder / "agent.wav", self.sent_audio, self.agent_samplerate)
        record = {
            "ended": asdict(self.ended) | {"at": self.ended.at - self.started}
            if self.ended
            else None,
            "messages": [asdict(m) | {"arrived": m.arrived - self.started} for m in self.messages],
        }
        (folder / "messages.json").write_text(json.dumps(record, indent=1), encoding="utf-8")

    async def _receive(self) -> None:
        """Note down everything until the connection is gone. The simulator runs this once."""
        try:
            while True:
                message = await self._wire.recv()
                try:
                    self._take(message)
                except MalformedRtpError as exc:
                    await self.close(POLICY_VIOLATION, str(exc))
                self._news.unpark_all()
        except WireClosed as closed:
            self._end(closed.by, closed.code, closed.reason)
        finally:
            if self.ended is None:  # the simulator itself is being cancelled
                self._end("simulator", ABNORMAL_CLOSURE)

    def _take(self, message: str | bytes) -> None:
        if self._keeps:
            self._note(message)
        if isinstance(message, bytes):
            audio = self._codecs.caller_audio(message)
            self._received_bytes += len(audio)
            with self._growing:
                self._received += audio
            if not self._keeps:
                self._forget()
        else:
            type_ = (json_object(message) or {}).get("type")
            self._is_ready |= type_ == "status_client_ready"

    def _forget(self) -> None:
        """What everybody has who is there, but for the last second."""
        codec = self._codecs.caller
        had = self._forgotten + max(0, len(self._received) - codec.byterate)
        had -= had % codec.width
        for reference in self._audiences:
            if (audience := reference()) is not None:
                had = min(had, audience.position)
        del self._received[: had - self._forgotten]
        self._forgotten = had

    def _note(self, message: str | bytes) -> None:
        now = trio.current_time()
        if isinstance(message, bytes):
            self.messages.append(ReceivedMessage("binary", len(message), now))
        else:
            self.messages.append(ReceivedMessage("text", len(message.encode()), now, message))

    def _end(self, by: Side, code: int, reason: str = "") -> None:
        self.ended = Ended(by, code, reason, trio.current_time())
        self._news.unpark_all()


class _CallerAudio:
    """The iterator of `SimulatedCall.audio`.

    No async generator: trio warns about one that is left before its end, as agents do.
    """

    def __init__(self, call: SimulatedCall) -> None:
        self._call = call
        self.position = call._forgotten
        """In bytes of the call, as they are coded."""
        if not call._keeps:
            call._audiences.append(ref(self, call._audiences.remove))

    def __aiter__(self) -> "_CallerAudio":
        return self

    async def __anext__(self) -> bytes:
        call = self._call
        if self._unheard_bytes or call.ended:
            await trio.lowlevel.checkpoint()
        while not self._unheard_bytes:
            if call.ended:
                raise StopAsyncIteration
            await call._news.park()
        start = self.position - call._forgotten
        coded = bytes(call._received[start : start + self._unheard_bytes])
        self.position += len(coded)
        return call._codecs.caller.decode(coded)

    @property
    def _unheard_bytes(self) -> int:
        """Of whole samples."""
        unheard = len(self._call._received) + self._call._forgotten - self.position
        return unheard - unheard % self._call._codecs.caller.width


def json_object(text: str | bytes) -> dict[str, Any] | None:
    """`text` as a JSON object, or None: what a client sends may be anything."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _write_wav(path: Path, pcm: bytes, samplerate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, samplerate, 0, "NONE", "not compressed"))
        file.writeframes(pcm[: len(pcm) & ~1])
