"""A call that lasts: its tasks, and the order in which they end.

::

    the agent closes in order --> uplink stops --> socket closes --> playout drains --+
    the caller hangs up --------> flush --------> uplink stops --> socket closes -----+--> devices stop --> Disconnected
    a task fails, or the call is cancelled -----> all tasks stop, socket closes ------+
"""

from collections.abc import Callable
from dataclasses import replace

import trio

from sfclient._cassette import Kind as Taped
from sfclient._cassette_recorder import CassetteRecorder
from sfclient._connection import Connection, WebSocketClosed
from sfclient._devices import Device, Kind, Line, Queues
from sfclient._dialects import Action, AgentReady, Dialect, PassOn, Play, Send, StartedCall
from sfclient._echo import EchoFree, EchoStatistics
from sfclient._endings import Endings
from sfclient._errors import Party, ServiceError, UsageError
from sfclient._event_queue import EventQueue
from sfclient._events import (
    AgentAwaited,
    AgentInterrupted,
    Connected,
    Connecting,
    DeviceChanged,
    DeviceLost,
    DeviceReturned,
    Disconnected,
    Ended,
    Event,
    RecordingFailed,
)
from sfclient._hearing import Hearing, Levels
from sfclient._interface import Call
from sfclient._interruption import AGENT_PAUSE_SECONDS, Interruption
from sfclient._limits import TimeLimits
from sfclient._network import Network, NetworkStatistics
from sfclient._nursery import open_unwrapped_nursery
from sfclient._playout import Playout
from sfclient._recording import Recorder
from sfclient._running import sleep_on_time
from sfclient._statistics import CallStatistics, CallTimes
from sfclient._tap import Tap
from sfclient._timeline import Timeline
from sfclient._uplink import Uplink
from sfclient._voice import VoiceDetector
from sfclient._watch import HEADLESS_LOOK_SECONDS, LOOK_SECONDS, CallClock, Watch

AWAITED_SECONDS = 2  # for an agent who is quick; told then, and each time that the wait has doubled


class HeldCall(Call):
    """A call over one connection. Its events, and its tap if it has one, outlast it: whoever gave them closes them."""

    def __init__(
        self,
        dialect: Dialect,
        lines: list[Line],
        uplink: Uplink,
        playout: Playout,
        recorder: Recorder | None,
        voice: VoiceDetector | None,
        tap: Tap | None,
        cassette: CassetteRecorder | None,
        *,
        events: EventQueue,
        attempt: int,
        dialled_at: float,
        on_call_id: Callable[[str], None] | None,
        limits: TimeLimits,
        clock: CallClock,
        timeline: bool,
        max_seconds: float | None,
        silence_seconds: float | None,
        interrupt_after: float | None,
    ) -> None:
        self._dialect = dialect
        self._lines = lines
        self._uplink = uplink
        self._playout = playout
        self._recorder = recorder
        self._on_call_id = on_call_id
        self._limits = limits
        self._agent_id: str | None = None
        self._call_id: str | None = None
        self._was_started = False
        self._heard_agent = False
        self._closed: tuple[Party, int | None, str] | None = (
            None  # the first who ended it, code, reason
        )
        self._cut = False
        self._stop = trio.Event()
        self._over = trio.Event()
        self._uplink_scope = trio.CancelScope()
        self._last: Disconnected | None = None  # event, when it has ended
        self._clock = clock
        self._ready_at: float | None = None
        self._connected_at: float | None = None
        self._dialled_at = dialled_at
        self._attempt = attempt
        self._events = events
        tell = self._events.tell
        recording, playing = self._line("input"), self._line("output")
        self._tap = tap
        self._cassette = cassette
        self._echo = uplink.captured if isinstance(uplink.captured, EchoFree) else None
        heard_samplerate = None if self._echo is None else dialect.capture_samplerate
        interruption = None
        if voice is not None and interrupt_after is not None:
            playout.arrivals.listens = True
            interruption = Interruption(
                voice, interrupt_after, self._agent_is_heard, self._interrupted
            )
        self._hearing = Hearing(
            tell, recording, playing, clock, voice, tap, heard_samplerate, interruption
        )
        if self._echo is not None:
            # Not by way of the call: a cycle would keep its queues when it is over.
            self._echo.echo.tell = lambda event: tell(replace(event, at=clock.now))
            uplink.meter = self._hearing.heard
        if voice or tap:
            uplink.listeners.append(self._hearing.said)
        is_seen = any(line.is_real for line in lines)
        period = LOOK_SECONDS if is_seen or timeline else HEADLESS_LOOK_SECONDS
        self._network = Network(tell, clock, playout, period)
        self._endings = Endings(
            tell,
            recording,
            playout,
            self._hearing,
            self._network,
            limits.first_message,
            max_seconds,
            silence_seconds,
        )
        self._timeline = Timeline(self._network, playing) if timeline else None
        observers = (self._hearing, self._network, self._endings, self._timeline)
        self._watch = Watch(clock, [each for each in observers if each is not None], period)
        self._events.tell(Connecting(at=self._dialled_at))

    # What a program does with it.

    async def __anext__(self) -> Event:
        return await self._events.receive()

    def hang_up(self) -> None:
        self._hang_up("hung up")

    def _hang_up(self, reason: str) -> None:
        if not self._stop.is_set():
            self._close("caller", 1000, reason)
            self._cut = self._playout.pending
            self._note(Taped.HANG_UP, reason.encode())
            self._playout.flush()
            self._stop.set()

    def flush(self) -> None:
        if not self._stop.is_set():
            self._playout.flush()

    def _agent_is_heard(self) -> bool:
        """And has more to say."""
        has_paused = self._clock.now - self._hearing.spoke_until("agent")
        return has_paused < AGENT_PAUSE_SECONDS and self._playout.has_speech

    def _interrupted(self, event: AgentInterrupted) -> None:
        self._events.tell(replace(event, dropped_seconds=self._playout.queued_seconds))
        self._note(Taped.INTERRUPTION)
        self.flush()

    def mute(self, muted: bool = True) -> None:
        self._note(Taped.MUTE, bytes([muted]))
        self._uplink.muted = muted
        self._hearing.mute(muted)

    async def use_input(self, device: Device | str | int | None) -> None:
        await self._line("input").use("input", device)

    async def use_output(self, device: Device | str | int | None) -> None:
        await self._line("output").use("output", device)

    @property
    def volume(self) -> float:
        return self._line("output").volume

    @volume.setter
    def volume(self, volume: float) -> None:
        self._line("output").volume = volume

    def _line(self, kind: Kind) -> Line:
        is_input = kind == "input"
        return next(
            line
            for line in self._lines
            if (line.input_samplerate if is_input else line.output_samplerate)
        )

    @property
    def muted(self) -> bool:
        return self._uplink.muted

    def levels(self) -> Levels:
        return self._hearing.levels()

    @property
    def tap(self) -> Tap:
        if self._tap is None:
            raise UsageError("this call has no tap: open it with open_call(..., tap=True)")
        return self._tap

    @property
    def connected(self) -> bool:
        return self._connected_at is not None

    @property
    def call_id(self) -> str | None:
        return self._call_id

    @property
    def ended(self) -> Ended | None:
        return self._last.ended if self._last else None

    @property
    def seconds(self) -> float:
        return self._clock.now

    @property
    def timeline(self) -> Timeline | None:
        return self._timeline

    @property
    def attempt(self) -> int:
        return self._attempt

    @property
    def earlier(self) -> tuple[()]:
        return ()

    async def wait_ended(self) -> Ended:
        await self._over.wait()
        assert self._last is not None
        return self._last.ended

    def statistics(self) -> CallStatistics:
        return CallStatistics(
            ended=self.ended,
            times=self._times(),
            dialect=self._dialect.name,
            agent_id=self._agent_id,
            call_id=self._call_id,
            attempt=self._attempt,
            capture=self._uplink.statistics(),
            echo=self.echo(),
            playout=self._playout.statistics(),
            network=self._network.statistics(),
            recording=self._hearing.of_recording(self._recorder) if self._recorder else None,
            conversation=self._hearing.conversation(),
            sound=self._hearing.sound(),
            tap=self._tap.statistics() if self._tap else None,
            dialect_counts=self._dialect.statistics(),
            dropped_events=self._events.dropped_events,
            devices=tuple(seen for line in self._lines if (seen := line.statistics()) is not None),
        )

    def network(self) -> NetworkStatistics:
        return self._network.statistics()

    def echo(self) -> EchoStatistics | None:
        return None if self._echo is None else self._echo.echo_statistics()

    def _times(self) -> CallTimes:
        first = self._playout.arrivals.first
        return CallTimes(
            began=self._clock.date.isoformat(timespec="milliseconds"),
            dialled=self._dialled_at,
            ready=self._ready_at,
            connected=self._connected_at,
            first_agent_audio=None if first is None else self._clock.since_began(first),
            first_agent_sound=self._hearing.agent.spoke_at,
            ended=self._last.at if self._last else None,
        )

    # What happens in it.

    def _note(self, kind: Taped, payload: bytes = b"") -> None:
        """On the cassette, if there is one."""
        if self._cassette is not None:
            self._cassette.tell(kind, payload)

    def _note_started(self, started: StartedCall) -> None:
        self._was_started = True
        self._call_id = started.call_id or None
        if self._call_id and self._on_call_id:
            self._on_call_id(self._call_id)

    async def _hold(self, websocket: Connection, started: Callable[[], None]) -> None:
        """Hold the call until somebody ends it; on leaving, devices and tasks have stopped."""
        tapped = self._recorder or self._cassette or self._tap
        queues = Queues(
            self._uplink.captured.queue,
            self._playout.engine,
            tapped.played if tapped else None,
            reference=self._echo.reference if self._echo else None,
            capture_meter=self._hearing.recorded,
            playout_meter=self._hearing.agent.meter,
        )
        async with open_unwrapped_nursery() as tasks:
            try:
                for line in self._lines:
                    await tasks.start(line.run, queues, self._tell_of_device)
                tasks.start_soon(self._talk, websocket)
                tasks.start_soon(self._listen, websocket)
                tasks.start_soon(websocket.keep_alive)
                tasks.start_soon(self._playout.run)
                tasks.start_soon(self._await_agent)
                tasks.start_soon(self._watch.run, self._lines[0])
                for file in (self._recorder, self._cassette):
                    if file:
                        tasks.start_soon(file.run, self._recording_failed)
                self._ready_at = self._clock.now
                self._network.watch(websocket)
                if self._endings.may_come:
                    tasks.start_soon(self._end_in_time)
                if self._tap:
                    tasks.start_soon(self._tap.run, self._hearing.agent)
                started()
                await self._stop.wait()
            finally:
                # The uplink stops between two messages, so that the close frame follows a whole
                # one.
                self._uplink_scope.cancel()
                await websocket.close()
                tasks.cancel_scope.cancel()

    def _tell_of_device(self, event: Event) -> None:
        self._events.tell(replace(event, at=self._clock.now))
        if isinstance(event, DeviceLost | DeviceReturned):
            self._hearing.device_changed(is_there=isinstance(event, DeviceReturned))
        elif isinstance(event, DeviceChanged) and event.kind == "input":
            self._hearing.input_changed()

    def _recording_failed(self, reason: str) -> None:
        self._events.tell(RecordingFailed(reason, at=self._clock.now))

    async def _talk(self, websocket: Connection) -> None:
        async def send(chunk: bytes) -> None:
            await websocket.send(self._dialect.encode(chunk))

        with self._uplink_scope:
            await self._uplink.wait_recorded()
            try:
                for action in self._dialect.recording():
                    await self._act(websocket, action)
                await self._uplink.run(send)
            except WebSocketClosed:
                pass  # who listens knows why

    async def _await_agent(self) -> None:
        """One that only answers pings would never hear, nor be heard."""
        waited, told = 0, AWAITED_SECONDS
        while self._connected_at is None and self._playout.arrivals.first is None:
            waited += await sleep_on_time(1)
            if waited >= told:
                told *= 2
                self._events.tell(AgentAwaited(waited, at=self._clock.now))
            if waited > self._limits.first_message and not self._heard_agent:
                raise ServiceError(
                    f"the agent sent no message for {self._limits.first_message:g} s: is it in service?"
                )

    async def _end_in_time(self) -> None:
        self._hang_up(await self._endings.wait())

    async def _listen(self, websocket: Connection) -> None:
        try:
            while True:
                message = await websocket.receive()
                self._heard_agent = True
                for action in self._dialect.received(message):
                    await self._act(websocket, action)
        except WebSocketClosed as closed:
            if self._stop.is_set():
                return
            self._uplink_scope.cancel()
            if closed.code not in self._dialect.orderly_codes:
                raise closed.as_error("in mid-call") from None
            self._close("agent", closed.code, closed.reason)
            for action in self._dialect.closed():
                await self._act(websocket, action)
        await websocket.close()
        await self._playout.drain(max(line.output_latency for line in self._lines))
        self._stop.set()

    async def _act(self, websocket: Connection, action: Action) -> None:
        match action:
            case Play(data):
                await self._playout.play(data)
            case Send(message):
                await websocket.send(message)
            case AgentReady():
                self._heard_agent = True
                if self._connected_at is None:
                    self._connected_at = self._clock.now
                    self._endings.agent_is_ready = True
                    self._events.tell(Connected(self._call_id, at=self._connected_at))
            case PassOn():
                self._events.pass_on(action, websocket.secrets.hidden, self._clock.now)
            case _:
                raise AssertionError(f"{action} in mid-call: it is a step of the handshake")

    def _close(self, by: Party, code: int | None, reason: str) -> None:
        """The first to end the call is the one who ended it."""
        self._closed = self._closed or (by, code, reason)

    @property
    def _recording_error(self) -> str | None:
        """Why it was not recorded to the end, or not on its cassette, if it was not."""
        errors = [file.error for file in (self._recorder, self._cassette) if file]
        return next(filter(None, errors), None)

    @property
    def _is_stray(self) -> bool:
        """Whether the service has begun it, and sound has never flowed."""
        return self._was_started and self._ready_at is None

    def _finish(self) -> None:
        """All has stopped, all files are complete."""
        self._close("caller", None, "cancelled")
        assert self._closed is not None
        is_cut = self._cut or self._playout.pending
        self._uplink.close()
        self._playout.close()
        ended = Ended(*self._closed, "cut" if is_cut else "drained")
        self._last = Disconnected(ended, at=self._clock.now)
        self._stop.set()
        self._watch.look()
        self._hearing.close()
        if self._timeline:
            self._timeline.close()
        self._over.set()
