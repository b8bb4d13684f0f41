"""A call that goes on over attempts: what its program sees, and what the service is asked."""

import dataclasses
import json
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trio

from sfclient import (
    Audio,
    AudioFileError,
    AuthenticationError,
    Call,
    Connected,
    Connecting,
    DeviceError,
    Disconnected,
    InputEnded,
    MemoryInput,
    MemoryOutput,
    NetworkError,
    NullOutput,
    Redial,
    Redialing,
    ServiceError,
    Session,
    StartedCall,
    StreamInput,
    StreamOutput,
    TimeLimits,
    UsageError,
    open_call,
    request_session,
)
from sfclient._dialects import HttpRequest
from sfclient._http import service_at
from sfclient.report import make_record, write_report
from sfclient.simulator import SimulatedCall, Simulator, open_simulator
from sfclient.testing import Proxy, open_proxy

from .books import capture_errors, playout_errors
from .conftest import NUMBERS, START, UnhurriedClock, listen, noise, without_silence

TOKEN = "GET /websocket/token/agent"
AT_ONCE = Redial(first_pause=0.5, jitter=0.0)


class Kiosk:
    """A simulator, the network before it, and what fetches sessions through that."""

    def __init__(self, dialect: str, simulator: Simulator, proxy: Proxy) -> None:
        self.dialect = dialect
        self.simulator = simulator
        self.proxy = proxy
        self.fetched = 0

    async def fetch(self) -> Session:
        self.fetched += 1
        session = await request_session(
            "agent",
            api_key=self.simulator.key,
            base_url=self.proxy.through(self.simulator.base_url),
            dialect=self.dialect,
            **NUMBERS if self.dialect == "ws-media" else {},
        )
        return dataclasses.replace(session, url=self.proxy.through(session.url))

    def call(self, audio: Audio | None = None, *, redial: Redial = AT_ONCE, **options: Any) -> Any:
        audio = audio or Audio(MemoryInput(), NullOutput())
        return open_call(self.fetch, audio, dialect=self.dialect, redial=redial, **options)


@asynccontextmanager
async def open_kiosk(dialect: str, agent: Any = listen, **serve: Any) -> AsyncIterator[Kiosk]:
    async with (
        open_simulator(agent, **serve) as simulator,
        open_proxy(simulator.base_url) as proxy,
    ):
        yield Kiosk(dialect, simulator, proxy)


@pytest.fixture
def kiosk(dialect: str) -> Callable[..., Any]:
    return partial(open_kiosk, dialect)


widget_only = pytest.mark.parametrize("dialect", ["widget"])
ws_media_only = pytest.mark.parametrize("dialect", ["ws-media"])


async def until(call: Call, kind: type) -> Any:
    async for event in call:
        if isinstance(event, kind):
            return event
    raise AssertionError


def kinds(events: list[Any]) -> list[type]:
    return [type(event) for event in events]


async def test_a_call_goes_on_until_it_ends_in_order(kiosk, fast_clock, tmp_path: Path) -> None:
    """Two losses, and then the agent hangs up: one iteration, one clock, and a recording of each."""
    words, heard = [noise(0.2, 16_000, seed) for seed in (1, 2, 3)], MemoryOutput()

    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(words[len(it.simulator.calls) - 1])
        await trio.sleep(0.5)
        if len(it.simulator.calls) == 3:
            await call.close(1000, "bye")
        else:
            it.proxy.reset()

    events: list[Any] = []
    async with kiosk(agent) as it:
        audio = Audio(MemoryInput(), heard)
        redial = Redial(first_pause=0.5, jitter=0.0, steady_seconds=0.3)
        options = {"record": tmp_path / "both.wav", "timeline": True, "redial": redial}
        async with it.call(audio, **options) as call:
            async for event in call:
                events.append(event)
                assert call.ended is None or isinstance(event, Disconnected)
    told = [
        each
        for each in events
        if isinstance(each, (Connecting, Connected, Redialing, Disconnected))
    ]
    attempt = [Connecting, Connected]
    assert kinds(told) == [*attempt, Redialing, *attempt, Redialing, *attempt, Disconnected]
    assert [event.at for event in told] == sorted(event.at for event in told)
    first = told[2]
    assert (first.attempt, first.pause_seconds, first.ended.by) == (2, 0.5, "network")
    assert told[5].pause_seconds == 0.5  # it had held
    assert "redialled in 0.5 s" in str(first)
    assert told[3].at == pytest.approx(first.at + 0.5, abs=0.2)
    assert call.ended == told[-1].ended
    assert (call.ended.by, call.ended.code) == ("agent", 1000)
    assert await call.wait_ended() == call.ended
    assert all(each in heard.played for each in words)
    attempts = [*(past.statistics for past in call.earlier), call.statistics()]
    assert (
        [figures.attempt for figures in attempts] == [1, 2, 3] == list(range(1, call.attempt + 1))
    )
    for figures in attempts:
        assert capture_errors(figures.capture) == playout_errors(figures.playout) == []
        assert figures.times.dialled <= figures.times.ready < figures.times.ended
    assert all(past.timeline is not None for past in call.earlier)
    # What is left of it: the record has each attempt with its own events, and each recording belongs to one.
    record = json.loads(json.dumps(make_record(call, events)))
    parts = [*record["earlier"], record]
    assert [part["events"][-1]["kind"] for part in parts] == [
        "Redialing",
        "Redialing",
        "Disconnected",
    ]
    for part, name in zip(parts, ("both.wav", "both-2.wav", "both-3.wav"), strict=True):
        write_report(tmp_path / "page.html", record, tmp_path / name)
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert ("attempt" in page.split("</header>")[0]) == (part["attempt"] > 1)
    with pytest.raises(UsageError, match="same call"):
        write_report(tmp_path / "page.html", record["earlier"][0], tmp_path / "both-2.wav")


@widget_only
async def test_the_block_is_entered_without_a_network_and_a_pause_can_be_hung_up(
    kiosk, fast_clock
) -> None:
    async with kiosk(answers={TOKEN: (503, {})}) as it:
        async with it.call(redial=Redial(first_pause=20, jitter=0)) as call:
            assert not call.connected
            event = await until(call, Redialing)
            assert (event.ended.by, event.ended.code) == ("agent", 503)
            call.mute()
            assert call.muted
            call.flush()
            assert call.levels()
            call.hang_up()
            assert kinds([each async for each in call]) == [Disconnected]
        assert it.fetched == 1
    assert (call.ended.by, call.ended.code, call.ended.reason) == ("caller", 1000, "hung up")


async def test_who_hangs_up_in_the_pause_after_a_call_that_held_is_not_kept_waiting(
    kiosk, fast_clock
) -> None:
    async with kiosk() as it:
        async with it.call(redial=Redial(first_pause=60)) as call:
            await until(call, Connected)
            it.proxy.reset()
            await until(call, Redialing)
            with trio.fail_after(10):
                call.hang_up()
                await call.wait_ended()
        assert (call.ended.reason, it.fetched) == ("hung up", 1)


@widget_only
async def test_a_file_of_the_next_attempt_that_cannot_be_written_ends_it(
    kiosk, fast_clock, tmp_path: Path
) -> None:
    (tmp_path / "both-2.wav").mkdir()

    async def agent(call: SimulatedCall) -> None:
        it.proxy.reset()

    async with kiosk(agent) as it:
        with pytest.raises(AudioFileError, match=r"both-2\.wav"):
            async with it.call(record=tmp_path / "both.wav") as call:
                await call.wait_ended()
        assert it.fetched == 1
    assert call.ended.by == "caller"
    assert "both-2.wav" in call.ended.reason


async def test_who_hangs_up_while_it_is_dialled_is_not_kept_waiting(fast_clock) -> None:
    waits = trio.Event()

    async def fetch() -> Session:
        waits.set()
        await trio.sleep_forever()
        raise AssertionError

    with trio.fail_after(10):
        async with open_call(fetch, Audio("none", "none"), redial=AT_ONCE) as call:
            await waits.wait()
            call.hang_up()
            await call.wait_ended()
    assert call.ended.reason == "hung up"
    assert call.attempt == 1


@widget_only
async def test_a_pause_is_hung_up_at_once_whether_sound_had_flowed_or_not(
    kiosk, fast_clock
) -> None:
    async with kiosk() as it:
        async with it.call(redial=Redial(first_pause=60, jitter=0)) as call:
            await until(call, Connected)
            it.proxy.reset()
            pause = await until(call, Redialing)
            call.hang_up()
            rest = [event async for event in call]
        assert call.seconds < pause.at + pause.pause_seconds
    assert (call.ended.by, call.ended.reason, call.attempt) == ("caller", "hung up", 1)
    record = make_record(call, [pause, *rest])
    assert [event["kind"] for event in record["events"]] == ["Redialing", "Disconnected"]
    assert (record["attempt"], call.earlier, "earlier" in record) == (1, (), False)


@widget_only
@pytest.mark.parametrize("redial", [None, AT_ONCE], ids=["once", "redialled"])
async def test_what_fails_beside_the_attempts_is_told_as_the_reason(
    kiosk, fast_clock, redial
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield noise(0.1, 8000)
        raise ZeroDivisionError("no model")

    async with kiosk() as it:
        with pytest.raises(UsageError, match="no model") as told:
            async with it.call(
                Audio(StreamInput(pieces(), samplerate=8000), "none"), redial=redial
            ) as call:
                await call.wait_ended()
    assert (call.ended.by, call.ended.reason) == ("caller", str(told.value))


@pytest.mark.parametrize("end", ["input", "output"])
async def test_a_further_recording_never_takes_the_place_of_another_file(
    end: str, tmp_path: Path
) -> None:
    audio = Audio(**{"input": "none", "output": "none"} | {end: tmp_path / "both-12.wav"})
    with pytest.raises(AudioFileError, match=r"both-12\.wav may be the recording of a further"):
        async with open_call(
            trio.sleep_forever, audio, redial=Redial(), record=tmp_path / "." / "both.wav"
        ):
            raise AssertionError


async def test_what_fails_at_the_moment_at_which_it_is_hung_up_is_no_error(fast_clock) -> None:
    entered = trio.Event()

    async def fetch() -> Session:
        await entered.wait()
        call.hang_up()
        raise NetworkError("too late to matter")

    async with open_call(fetch, Audio("none", "none"), redial=AT_ONCE) as call:
        entered.set()
        await call.wait_ended()
    assert (call.ended.by, call.ended.reason, call.attempt) == ("caller", "hung up", 1)


async def test_what_either_side_ends_in_order_is_not_redialled(kiosk, fast_clock) -> None:
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.close(1000, "bye")

    async with kiosk(agent) as it:
        async with it.call() as call:
            await call.wait_ended()
        assert (call.ended.by, it.fetched, call.earlier) == ("agent", 1, ())
    async with kiosk() as it:
        async with it.call() as call:
            await until(call, Connected)
        assert (call.ended.by, it.fetched) == ("caller", 1)


@widget_only
async def test_a_refused_key_ends_it_at_once_and_a_busy_service_is_waited_for(
    kiosk, fast_clock
) -> None:
    for status, kind in ((401, AuthenticationError), (404, UsageError)):
        async with kiosk(answers={TOKEN: (status, {})}) as it:
            with pytest.raises(kind):
                async with it.call() as call:
                    await call.wait_ended()
            assert it.fetched == 1
            assert call.ended.by == "caller"
    async with kiosk(answers={TOKEN: (429, {})}) as it:
        with pytest.raises(ServiceError) as told:
            async with it.call(redial=Redial(first_pause=0.1, most_in_a_row=3)) as call:
                await call.wait_ended()
        assert told.value.status == 429
        assert it.fetched == 1 + 3 == call.attempt


@widget_only
async def test_an_agent_that_never_says_anything_has_held_no_call(kiosk, fast_clock) -> None:
    """However long that was waited for."""

    async def agent(_call: SimulatedCall) -> None:
        await trio.sleep_forever()

    redial = Redial(first_pause=0.1, most_in_a_row=1, steady_seconds=0.5)
    async with kiosk(agent, announce_ready=False) as it:
        with pytest.raises(ServiceError, match="sent no message"), trio.fail_after(30):
            async with it.call(redial=redial, limits=TimeLimits(first_message=1)) as call:
                await call.wait_ended()
    assert call.attempt == 2


async def test_a_device_that_fails_ends_it(kiosk, fast_clock) -> None:
    class Fails:
        def open(self) -> int:
            return 48_000

        def read(self, frames: int) -> Any:
            raise DeviceError("the microphone broke")

    async with kiosk() as it:
        with pytest.raises(DeviceError, match="broke"):
            async with it.call(Audio(Fails(), NullOutput())) as call:
                await call.wait_ended()
        assert it.fetched == 1
        assert call.ended.by == "device"


class TestPost:
    """One that starts a call is made once, and again only where it certainly did nothing."""

    @ws_media_only
    @pytest.mark.parametrize(
        ("answer", "redialled"),
        [
            ((500, {}), False),
            ((502, {}), False),
            ((200, {}), False),
            ((503, {"callId": "c-1"}), False),
            ((503, {}), True),
            ((429, {}), True),
        ],
        ids=str,
    )
    async def test_by_its_answer(self, kiosk, fast_clock, answer, redialled) -> None:
        async with kiosk(answers={START: answer}) as it:
            with pytest.raises(ServiceError) as told:
                async with it.call(redial=Redial(first_pause=0.1, most_in_a_row=1)) as call:
                    await call.wait_ended()
            assert told.value.may_have_begun is not redialled
            assert it.simulator.requests[START] == 1 + redialled

    @ws_media_only
    async def test_one_without_an_answer_is_not_repeated(self, kiosk, fast_clock) -> None:
        async def fetch() -> Session:
            session = await Kiosk.fetch(it)
            start = session.start_call

            async def start_call(name: str) -> StartedCall:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(cut)
                    return await start(name)

            async def cut() -> None:
                while it.simulator.requests[START] == 0:  # noqa: ASYNC110 -- nobody tells us
                    await trio.sleep(0.01)
                it.proxy.reset()

            return dataclasses.replace(session, start_call=start_call)

        async with kiosk() as it:
            it.fetch = fetch
            with pytest.raises(NetworkError) as told:
                async with it.call() as call:
                    await call.wait_ended()
            assert told.value.may_have_begun
            assert it.simulator.requests[START] == 1

    async def test_one_that_reaches_nobody_certainly_did_nothing(self) -> None:
        service = service_at("http://127.0.0.1:1", "key", None, None, allow_insecure=False)
        with pytest.raises(NetworkError) as told:
            await service.ask(HttpRequest("POST", "/"))
        assert told.value.may_have_begun is False

    @ws_media_only
    @pytest.mark.parametrize(
        ("said", "redialled"), [(None, False), (True, False), (False, True)], ids=str
    )
    async def test_an_own_function_that_does_not_say_may_have_done_it(
        self, kiosk, fast_clock, said, redialled
    ) -> None:
        asked = 0

        async def start_call(name: str) -> StartedCall:
            nonlocal asked
            asked += 1
            raise NetworkError("the backend did not answer", may_have_begun=said)

        async def fetch() -> Session:
            return dataclasses.replace(await Kiosk.fetch(it), start_call=start_call)

        async with kiosk() as it:
            it.fetch = fetch
            with pytest.raises(NetworkError, match="backend"):
                async with it.call(redial=Redial(first_pause=0.1, most_in_a_row=2)) as call:
                    await call.wait_ended()
        assert asked == (3 if redialled else 1)

    @ws_media_only
    async def test_one_that_is_refused_as_the_connection_was_lost_is_the_network_s_fault(
        self, kiosk, fast_clock
    ) -> None:
        async def fetch() -> Session:
            session = await Kiosk.fetch(it)
            start = session.start_call

            async def start_call(name: str) -> StartedCall:
                if it.fetched == 1:
                    it.proxy.reset()
                    await trio.sleep(0.5)
                return await start(name)

            return dataclasses.replace(session, start_call=start_call)

        async with kiosk() as it:
            it.fetch = fetch
            async with it.call() as call:
                redialing = await until(call, Redialing)
                await until(call, Connected)
        assert redialing.ended.by == "network"
        assert (it.simulator.requests[START], len(it.simulator.calls)) == (2, 1)

    @ws_media_only
    async def test_a_call_that_has_begun_and_is_lost_before_sound_flows_is_not_dialled_anew(
        self, kiosk, fast_clock
    ) -> None:
        async def fetch() -> Session:
            session = await Kiosk.fetch(it)
            start = session.start_call

            async def start_call(name: str) -> StartedCall:
                started = await start(name)
                it.proxy.reset()
                return started

            return dataclasses.replace(session, start_call=start_call)

        async with kiosk() as it:
            it.fetch = fetch
            with pytest.raises(NetworkError) as told:
                async with it.call() as call:
                    await call.wait_ended()
            assert told.value.may_have_begun
            assert told.value.call_id
            assert it.simulator.requests[START] == 1


@widget_only
async def test_mute_and_tap_go_on_and_the_service_gets_silence(
    kiosk, fast_clock, tmp_path: Path
) -> None:
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(noise(0.2, 16_000))
        await trio.sleep(0.5)
        if len(it.simulator.calls) == 1:
            it.proxy.reset()
        else:
            await call.close(1000, "")

    async with kiosk(agent) as it:
        audio = Audio(MemoryInput(noise(60, 48_000)), NullOutput())
        async with it.call(audio, tap=True, record=tmp_path / "both.wav") as call:
            call.mute()
            times = [sound.at async for sound in call.tap if any(sound.pcm)]
        assert not any(b"".join(each.received_audio for each in it.simulator.calls))
    assert call.attempt == 2
    assert call.muted
    second = call.statistics().times.dialled
    assert times[0] < second < times[-1]
    assert call.statistics().tap.unread_bytes == 0


@widget_only
async def test_what_is_cancelled_in_a_pause_leaves_nothing(kiosk, fast_clock) -> None:
    async with kiosk(answers={TOKEN: (503, {})}) as it:
        with trio.CancelScope() as scope:
            async with it.call(redial=Redial(first_pause=20)) as call:
                await until(call, Redialing)
                scope.cancel()
                await trio.sleep_forever()
    assert call.ended.reason == "hung up"
    assert kinds([each async for each in call]) == [Disconnected]


class TestFunction:
    """That fetches a session."""

    async def test_brings_the_session_when_devices_and_files_are_open(
        self, kiosk, fast_clock
    ) -> None:
        opened: list[str] = []

        class Speaker(NullOutput):
            def open(self, samplerate: int) -> int:
                opened.append("speaker")
                return samplerate

        async with kiosk() as it:

            async def fetch() -> Session:
                opened.append("session")
                return await it.fetch()

            audio = Audio(MemoryInput(), Speaker())
            async with open_call(fetch, audio, dialect=it.dialect) as call:
                await until(call, Connected)
        assert opened == ["speaker", "session"]

    @pytest.mark.parametrize(
        ("raised", "kind", "told"),
        [
            (NetworkError("no backend"), NetworkError, "no backend"),
            (UsageError("not you"), UsageError, "not you"),
            (ConnectionRefusedError(111, "Connection refused"), NetworkError, "Connection refused"),
            (TimeoutError(), NetworkError, "TimeoutError"),
            (trio.TooSlowError(), NetworkError, "TooSlowError"),
            (KeyError("secret"), UsageError, "raised KeyError"),
        ],
        ids=repr,
    )
    async def test_its_errors_are_told_by_whose_fault_it_was(
        self, raised, kind, told, dialect
    ) -> None:
        async def fetch() -> Session:
            raise raised

        with pytest.raises(kind, match=told) as error:
            async with open_call(fetch, Audio("none", "none"), dialect=dialect):
                raise AssertionError
        assert type(error.value) is kind
        assert "secret" not in str(error.value)
        assert error.value is raised or error.value.__cause__ is raised

    @pytest.mark.parametrize(
        ("session", "told"),
        [
            (Session("ws://127.0.0.1/", "ws-media", start_call=listen), "dialect='ws-media'"),
            (Session("ws://127.0.0.1/", "opus"), "opus"),
            ("ws://127.0.0.1/?token=secret", "must return a Session, not str"),
            (None, "must return a Session, not NoneType"),
            (Session(None), "URL of a session must be text, not NoneType"),
        ],
        ids=["dialect", "unknown", "text", "nothing", "no URL"],
    )
    async def test_one_that_brings_something_else_is_told_what(self, session, told) -> None:
        async def fetch() -> Any:
            return session

        with pytest.raises(UsageError, match=told) as error:
            async with open_call(fetch, Audio("none", "none")):
                raise AssertionError
        assert "secret" not in str(error.value)

    async def test_the_key_that_it_holds_is_in_no_frame_of_an_error(self) -> None:
        fetch = partial(request_session, "agent", api_key="key-7731", base_url="http://127.0.0.1:1")

        async def call(**options: Any) -> None:
            async with open_call(fetch, Audio("none", "none"), **options) as held:
                await held.wait_ended()

        for options in ({}, {"redial": Redial(first_pause=0.01, most_in_a_row=1)}):
            with pytest.raises(NetworkError) as error:
                await call(**options)
            shown = traceback.TracebackException.from_exception(error.value, capture_locals=True)
            ours = [frame for frame in shown.stack if "site-packages" in frame.filename]
            assert len(ours) > 5
            assert "key-7731" not in "".join(str(frame.locals) for frame in ours)

    async def test_a_codec_that_it_was_not_told_of(self) -> None:
        async def fetch() -> Session:
            return Session("ws://127.0.0.1/", "ws-media", "pcmu", start_call=listen)

        with pytest.raises(UsageError, match="codec='pcmu'"):
            async with open_call(fetch, Audio("none", "none"), dialect="ws-media"):
                raise AssertionError

    async def test_one_that_is_not_async_is_told_so(self) -> None:
        def fetch() -> str:
            return "ws://127.0.0.1/?token=secret"

        with pytest.raises(UsageError, match="must return a Session, not str"):
            async with open_call(fetch, Audio("none", "none")):
                raise AssertionError

    async def test_one_that_never_comes_back_is_given_up(self, autojump_clock) -> None:
        limits = TimeLimits(get_session=5)
        with pytest.raises(NetworkError, match="within 5 s"):
            async with open_call(trio.sleep_forever, Audio("none", "none"), limits=limits):
                raise AssertionError
        assert trio.current_time() == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize(
    "session", ["ws://127.0.0.1/", Session("ws://127.0.0.1/")], ids=["url", "session"]
)
async def test_a_session_is_not_redialled(session) -> None:
    with pytest.raises(UsageError, match="good for one call"):
        async with open_call(session, Audio("none", "none"), redial=Redial()):
            raise AssertionError


@pytest.mark.parametrize("redial", [True, False, 3, Redial])
async def test_redial_is_one_and_not_a_wish(redial: Any) -> None:
    with pytest.raises(UsageError, match=r"redial=Redial\(\), not "):
        async with open_call(trio.sleep_forever, Audio("none", "none"), redial=redial):
            raise AssertionError


async def test_codec_and_framing_are_the_session_s_own() -> None:
    with pytest.raises(UsageError, match="said by the session"):
        async with open_call(Session("ws://127.0.0.1/"), Audio("none", "none"), codec="l16"):
            raise AssertionError


# A kiosk in a network that fails every few minutes.


async def run_kiosk(
    it: Kiosk, seconds: float, gaps: list[float], redial: Redial
) -> tuple[Call, list[Any]]:
    """The network fails after each of these gaps in turn, in one way or another; each second time it stands still."""
    events: list[Any] = []

    async def fail() -> None:
        for turn in count():
            await trio.sleep(gaps[turn % len(gaps)])
            if turn % 2:
                it.proxy.stall(20)
            (it.proxy.close if turn % 3 == 2 else it.proxy.reset)()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        async with it.call(redial=redial, chunk_seconds=0.2) as call:  # fewer messages, less to do
            with trio.move_on_after(seconds):
                async for event in call:
                    events.append(event)
        nursery.cancel_scope.cancel()
    return call, events + [event async for event in call]


def check_kiosk(it: Kiosk, call: Call, events: list[Any], redial: Redial, log: str) -> None:
    """Each failure was redialled, within the limits, and the log tells all of it."""
    dials, redials = (
        [event for event in events if isinstance(event, kind)] for kind in (Connecting, Redialing)
    )
    assert len(dials) == call.attempt == it.fetched
    assert len(call.earlier) == call.attempt - 1
    assert len(redials) in (len(dials) - 1, len(dials))  # at the end it may be in a pause
    assert kinds(events)[-1] is Disconnected
    assert (call.ended.by, call.ended.reason) == ("caller", "hung up")
    for number, (event, dial) in enumerate(zip(redials, dials[1:], strict=False), 2):
        assert event.attempt == number
        assert event.ended.by in ("network", "agent")
        assert redial.first_pause <= event.pause_seconds
        assert event.pause_seconds <= redial.longest_pause * (1 + redial.jitter)
        assert dial.at >= event.at + event.pause_seconds
    for dial in dials:
        assert sum(dial.at - 3600 < each.at <= dial.at for each in dials[1:]) <= redial.most_an_hour
    for figures in (*(past.statistics for past in call.earlier), call.statistics()):
        assert capture_errors(figures.capture) == playout_errors(figures.playout) == []
    for told in (*dials, *redials):
        assert f"{told.at:.3f} s: {told}" in log
    assert log.count("The call is redialled") == len(redials)


@pytest.mark.slow
def test_a_kiosk_for_half_an_hour(dialect: str, caplog: pytest.LogCaptureFixture) -> None:
    """Faster than time: the machine sets the pace."""

    async def run() -> None:
        caplog.set_level("INFO", "sfclient")
        redial = Redial()
        async with open_kiosk(dialect) as it:
            call, events = await run_kiosk(it, 30 * 60, [100.0, 200.0, 20.0, 310.0], redial)
            check_kiosk(it, call, events, redial, caplog.text)
        assert call.attempt >= 10

    trio.run(run, clock=UnhurriedClock(rate=200))


async def test_a_kiosk_for_seconds(kiosk, fast_clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "sfclient")
    redial = Redial(first_pause=0.5, steady_seconds=1.0)
    async with kiosk() as it:
        call, events = await run_kiosk(it, 6.0, [2.0], redial)
        check_kiosk(it, call, events, redial, caplog.text)
    assert call.attempt > 1


@widget_only
async def test_what_a_program_makes_goes_on_where_it_was(kiosk, fast_clock) -> None:
    """Through a generator that a cancellation would have ended; the end of what is played is that of the call."""
    words = noise(1.5, 48_000)

    async def made() -> AsyncIterator[bytes]:
        for at in range(0, len(words), 960):
            await trio.sleep(0.005)
            yield words[at : at + 960]

    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        if len(it.simulator.calls) == 1:
            await trio.sleep(0.5)
            it.proxy.reset()
        await call.wait_ended()

    source, heard = StreamInput(made(), samplerate=48_000), StreamOutput()
    async with kiosk(agent) as it:
        async with it.call(Audio(source, heard), silence_seconds=1) as call:
            frames = sum([len(block) async for block in heard])
            assert kinds([event async for event in call]).count(InputEnded) == 1
        before, after = (without_silence(bytes(of.received_audio)) for of in it.simulator.calls)
    assert words.startswith(before)
    assert words.endswith(after)
    assert min(len(before), len(after)) > 0.2 * len(words)
    assert source.statistics().said_frames == len(words) // 2
    assert heard.statistics().read_frames == frames
