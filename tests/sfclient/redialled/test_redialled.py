"""A call that goes on over attempts: what its program sees, and what the service is asked."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from sfclient import (
    Audio,
    AudioFileError,
    AuthenticationError,
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
    StreamInput,
    StreamOutput,
    TimeLimits,
    UsageError,
    open_call,
)
from sfclient.report import make_record, write_report
from sfclient.simulator import SimulatedCall

from ..books import capture_errors, playout_errors
from ..conftest import noise, without_silence
from .conftest import AT_ONCE, TOKEN, kinds, until, widget_only


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


@pytest.mark.parametrize(("record", "cassette"), [("a", "a-2"), ("a-2", "a")])
async def test_no_further_recording_and_cassette_are_the_same_file(
    record: str, cassette: str, tmp_path: Path
) -> None:
    kept = {"record": tmp_path / record, "cassette": tmp_path / cassette}
    with pytest.raises(AudioFileError, match="may be the recording of a further"):
        async with open_call(trio.sleep_forever, Audio("none", "none"), redial=Redial(), **kept):
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
