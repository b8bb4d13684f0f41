"""An agent that converses: it lets the caller finish, answers, stops when interrupted. It understands no word."""

import math
from collections.abc import Sequence
from os import PathLike

import trio

from sfaudio import Meter
from sfclient.simulator._audio import AGENT_SAMPLERATE, read_wav, resample
from sfclient.simulator._call import SimulatedCall

Words = str | PathLike[str] | bytes

DELAY_SECONDS = 0.6  # about what agents take
STOP_SECONDS = 0.2  # of the caller's speech: longer than a click or a breath
MESSAGE_SECONDS = 0.02
NORMAL_CLOSURE = 1000


class ReplyAgent:
    """Says one of `answers` whenever the caller has spoken and then been silent for `delay` seconds.

    `answers` and `greeting` are WAV files, or PCM16 mono 16 kHz as bytes; the answers come in turn, again and again.
    With a `greeting` the agent speaks first. It stops speaking when the caller has spoken for `stops_after` seconds
    meanwhile (None: never), and then that is what it answers; what is shorter is no turn. After `hangs_up_after`
    answers (None: never) it closes the call with `code`.

    Who speaks is told by the energy gate of `sfaudio.Meter` on what has come from the caller, 10 ms at a time; a pause
    of `delay` between two words is the end of a turn. It acts when a message comes, so up to one late.

    These are faults, for tests of what should find them (a larger `delay` is another, and so is an early end):

    - `talks_over_after`: it answers when the caller has spoken for so many seconds, and does not stop for them.
    - `gap`: so many seconds of nothing in the middle of each answer.

    Raises `UnreadableWavError`, or ValueError for another impossible argument.
    """

    def __init__(
        self,
        answers: Sequence[Words],
        *,
        greeting: Words | None = None,
        delay: float = DELAY_SECONDS,
        stops_after: float | None = STOP_SECONDS,
        hangs_up_after: int | None = None,
        code: int = NORMAL_CLOSURE,
        talks_over_after: float | None = None,
        gap: float = 0.0,
    ) -> None:
        if isinstance(answers, str | PathLike | bytes):
            raise ValueError("answers is one: give a list, as in [answers]")
        for name, seconds in {"delay": delay, "stops_after": stops_after, "gap": gap}.items():
            if seconds is not None and not 0 <= seconds < math.inf:
                raise ValueError(f"{name} is {seconds}: give seconds, 0 or more")
        if talks_over_after is not None and not 0 < talks_over_after < math.inf:
            raise ValueError(f"talks_over_after is {talks_over_after}: give seconds, more than 0")
        if hangs_up_after is not None and hangs_up_after < 0:
            raise ValueError(f"hangs_up_after is {hangs_up_after}: give a number of answers")
        if not (code == NORMAL_CLOSURE or 3000 <= code <= 4999 or 1001 <= code <= 1014):
            raise ValueError(f"code is {code}: one that closes a websocket is 1000 to 4999")
        self._answers = [_pcm(words) for words in answers]
        self._greeting = None if greeting is None else _pcm(greeting)
        self._delay = delay
        self._stops_after = None if talks_over_after else stops_after
        self._hangs_up_after = hangs_up_after
        self._code = code
        self._talks_over_after = talks_over_after
        self._gap = gap

    async def __call__(self, call: SimulatedCall) -> None:
        await call.client_ready()
        async with trio.open_nursery() as nursery:
            await self._converse(call, nursery)

    async def _converse(self, call: SimulatedCall, nursery: trio.Nursery) -> None:
        ear = _Ear(call.caller_samplerate)
        talks_over = self._talks_over_after
        answered = 0
        speech: _Speech | None = None
        if self._greeting is not None:
            speech = self._speech(call, self._greeting, self._hangs_up_after == 0)
            nursery.start_soon(speech.say)
        async for pcm in call.audio():
            ear.hear(pcm)
            if ear.spoken == 0:
                continue
            if speech is not None and not speech.is_over:
                if self._stops_after is not None and ear.spoken >= self._stops_after:
                    speech.stop()
                if talks_over or (ear.silent >= self._delay and not speech.is_stopped):
                    ear.forget()
            elif ear.silent >= self._delay or (talks_over and ear.spoken >= talks_over):
                ear.forget()
                if self._answers:
                    answer = self._answers[answered % len(self._answers)]
                    answered += 1
                    speech = self._speech(call, answer, answered == self._hangs_up_after)
                    nursery.start_soon(speech.say)

    def _speech(self, call: SimulatedCall, pcm: bytes, is_last: bool) -> "_Speech":
        return _Speech(call, pcm, self._gap, self._code if is_last else None)


class _Ear:
    """For how long the caller has spoken, and been silent, since the last turn; in the time of what was heard."""

    def __init__(self, samplerate: int) -> None:
        self.spoken = 0.0
        """Seconds from the turn's first word to its last so far; 0 while there is none."""
        self.silent = 0.0
        """Seconds since that one."""
        self._meter = Meter(samplerate)
        self._samplerate = samplerate
        self._frames = 0
        self._until: float | None = None
        self._began = 0.0
        self._forgotten = 0.0

    def hear(self, pcm: bytes) -> None:
        meter = self._meter
        meter.hear(memoryview(pcm).cast("h"), self._frames / self._samplerate)
        self._frames += len(pcm) // 2
        if meter.speech_until != self._until:
            self._until = until = meter.speech_until
            assert until is not None, "speech does not become unsaid"
            for segment in meter.read_segments():
                if segment.is_beginning:
                    self._began = segment.seconds
            # One that had begun before it was forgotten goes on, as another turn.
            self.spoken = until - max(self._began, self._forgotten)
        if self._until is not None:
            self.silent = self._frames / self._samplerate - self._until

    def forget(self) -> None:
        """The turn is over."""
        self.spoken = 0.0
        self._forgotten = self._frames / self._samplerate


class _Speech:
    """Words on their way to the caller, at the pace in which they are spoken."""

    def __init__(self, call: SimulatedCall, pcm: bytes, gap: float, code: int | None) -> None:
        self._call = call
        self._pcm = resample(pcm, AGENT_SAMPLERATE, call.agent_samplerate)
        self._gap = gap
        self._code = code
        self.is_stopped = False
        self.is_over = False

    def stop(self) -> None:
        """Say no more; what is being sent leaves as a whole."""
        self.is_stopped = True

    async def say(self) -> None:
        """And hang up, if there is a code."""
        call, byterate = self._call, self._call.agent_byterate
        message_bytes = round(MESSAGE_SECONDS * byterate)
        due, gap = trio.current_time(), self._gap
        middle = due + len(self._pcm) / (2 * call.agent_samplerate) / 2
        for message in call.wire_messages(self._pcm, message_bytes):
            if gap and due >= middle:
                due, gap = due + gap, 0.0
            await trio.sleep_until(due)
            if self.is_stopped:
                break
            await call.send(message)
            due += message_bytes / byterate
        self.is_over = True
        if self._code is not None:
            await trio.sleep_until(due)  # it has been said as a whole
            await call.close(self._code)


def _pcm(words: Words) -> bytes:
    pcm = words if isinstance(words, bytes) else read_wav(words)
    if len(pcm) % 2:
        raise ValueError(
            f"greeting or answer: what is to be said has {len(pcm)} bytes: PCM16 has an even number"
        )
    return pcm
