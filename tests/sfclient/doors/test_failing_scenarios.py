"""The same failures through every door: who waits is told, and whose fault it was."""

from pathlib import Path
from traceback import TracebackException

import pytest

from sfclient import (
    AgentNotFoundError,
    Audio,
    AudioFileError,
    AuthenticationError,
    Disconnected,
    MemoryInput,
    NetworkError,
    RemoteError,
    ServiceError,
    StreamInput,
    TimeLimits,
    UsageError,
)
from sfclient.simulator import SimulatedCall, SpeakAgent

from ..conftest import listen, noise
from .conftest import through_every_door, without_slowness
from .far_side import open_far_side
from .scenes import WORDS, MistakeError, connected

WRONG_KEY = "wrong".rjust(20, "-")


def told_by(error: BaseException) -> str:
    """All of its traceback, with what is in its frames, but for those of the tests."""
    told = TracebackException.from_exception(error, capture_locals=True)
    here = str(Path(__file__).parent)
    told.stack[:] = [frame for frame in told.stack if not frame.filename.startswith(here)]
    return "".join(told.format())


@through_every_door
async def test_who_waits_for_an_event_gets_the_error_of_the_call(hold):
    calls, seen = [], []

    async def read() -> None:
        async with hold() as held:
            calls.append(held.call)
            await connected(held.call)
            held.far.do(held.far.proxy.reset)
            async for event in held.call:
                seen.append(event)

    with pytest.raises(NetworkError, match="in mid-call") as caught:
        await read()
    (call,) = calls
    assert call.ended.by == "network"
    assert caught.value.call_id == call.call_id
    seen += [event async for event in call]
    assert without_slowness(seen) == [Disconnected(call.ended)]


@through_every_door
async def test_who_waits_for_the_end_gets_the_error_of_the_call(hold):
    async def wait() -> None:
        async with hold() as held:
            await connected(held.call)
            held.far.do(held.far.proxy.reset)
            assert (await held.call.wait_ended()).by == "network"
            assert hold.door.name != "blocking", "else it is told on the way out"

    with pytest.raises(NetworkError, match="in mid-call"):
        await wait()


@through_every_door
async def test_who_waits_for_something_else_gets_the_error_of_the_call(hold):
    """A loop takes the block out of its sleep; without one the block comes to its end first."""

    async def sleep() -> None:
        async with hold() as held:
            await connected(held.call)
            held.far.do(held.far.proxy.reset)
            while held.call.ended is None or hold.door.name != "blocking":
                await hold.door.sleep(0.1)

    with pytest.raises(NetworkError, match="in mid-call"):
        await sleep()


@pytest.mark.parametrize("dialect", ["widget"])
@through_every_door
async def test_an_agent_that_fails_is_told(hold):
    async def fail(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.close(1011, "out of order")

    async def read() -> None:
        async with hold(fail) as held:
            async for _ in held.call:
                pass

    with pytest.raises(ServiceError, match="out of order") as caught:
        await read()
    assert caught.value.status == 1011


@through_every_door
async def test_a_refused_key_is_told_and_not_shown(hold):
    with open_far_side(listen) as far:
        with pytest.raises(AuthenticationError) as caught:
            await hold.session(far, api_key=WRONG_KEY)
        assert WRONG_KEY not in told_by(caught.value)


@pytest.mark.parametrize("dialect", ["widget"])
@through_every_door
async def test_an_agent_that_is_unknown_is_told(hold):
    with open_far_side(listen, assistant_id="somebody") as far:
        with pytest.raises(AgentNotFoundError):
            await hold.session(far)


@pytest.mark.parametrize("dialect", ["widget"])
@through_every_door
async def test_a_session_is_good_for_one_call(hold):
    with open_far_side(listen) as far:
        session = await hold.session(far)
        async with hold.door.open_call(session, hold.audio()) as call:
            await connected(call)
        with pytest.raises(RemoteError) as caught:
            async with hold.door.open_call(session, hold.audio()):
                raise AssertionError("a block without a call")
        assert len(far.simulator.calls) == 1
        assert session.url not in str(caught.value)


@through_every_door
async def test_a_file_that_is_missing_is_told_before_anything_is_asked_for(hold, tmp_path):
    with open_far_side(listen) as far:
        session = await hold.session(far)
        audio = Audio(tmp_path / "missing.wav", "none")
        with pytest.raises(AudioFileError, match=r"missing\.wav"):
            async with hold.door.open_call(session, audio):
                raise AssertionError("a block without a call")
        assert far.simulator.calls == []


@through_every_door
async def test_a_source_that_fails_in_mid_call_ends_it(hold):
    class Broken(MemoryInput):
        reads = 0

        def read(self, frames):
            self.reads += 1
            if self.reads == 20:
                raise MistakeError("of the source")
            return super().read(frames)

    with pytest.raises(MistakeError, match="of the source"):
        async with hold(microphone=Broken(samplerate=hold.capture_samplerate)) as held:
            await held.call.wait_ended()


@through_every_door
async def test_an_error_of_the_program_hangs_up_and_is_raised_as_it_was(hold):
    mistake, calls = MistakeError("in the block"), []

    async def err() -> None:
        async with hold() as held:
            calls.append(held.call)
            await connected(held.call)
            raise mistake

    with pytest.raises(MistakeError) as caught:
        await err()
    assert caught.value is mistake
    assert [call.ended.by for call in calls] == ["caller"]


@pytest.mark.parametrize("dialect", ["widget"])
@through_every_door
async def test_an_error_of_the_program_waits_for_no_agent(hold):
    """Not even for one that does not answer the close."""

    async def err() -> None:
        with open_far_side(listen) as far:
            limits = TimeLimits(close=1e6)
            session = await hold.session(far)
            async with hold.door.open_call(session, hold.audio(), limits=limits) as call:
                await connected(call)
                far.do(far.proxy.stall)
                raise MistakeError

    with pytest.raises(MistakeError):
        await err()


@through_every_door
async def test_an_error_of_the_program_goes_before_that_of_the_call(hold):
    async def err() -> None:
        async with hold() as held:
            await connected(held.call)
            held.far.do(held.far.proxy.reset)
            try:
                await held.call.wait_ended()
            finally:
                raise MistakeError

    with pytest.raises(MistakeError):
        await err()


@through_every_door
async def test_what_a_call_refuses_leaves_it_going_on(hold):
    async with hold(SpeakAgent(WORDS, then="close")) as held:
        for use in (held.call.use_input, held.call.use_output):
            with pytest.raises(UsageError, match="no sound device"):
                await use(None)
        with pytest.raises(UsageError, match="no sound device"):
            held.call.volume = 0.5
        with pytest.raises(UsageError, match="tap=True"):
            held.call.tap  # noqa: B018
        await held.call.wait_ended()
    assert held.heard == WORDS


@pytest.mark.parametrize("dialect", ["ws-media"])
@through_every_door
async def test_a_backend_that_fails_ends_the_call_with_its_error(hold):
    async def fail(server_name: str):
        raise MistakeError(server_name)

    with open_far_side(listen) as far:
        kept = await hold.session(far)
        session = hold.door.session(kept.url, "ws-media", start_call=hold.door.given(fail))
        with pytest.raises(MistakeError):
            async with hold.door.open_call(session, hold.audio()):
                raise AssertionError("a block without a call")


@through_every_door
async def test_sound_of_the_program_that_fails_ends_the_call(hold):
    def fail():
        yield noise(0.1, hold.capture_samplerate)
        raise MistakeError("in the midst")

    async def listen_in() -> None:
        async with hold(
            microphone=StreamInput(hold.door.pieces(fail()), samplerate=hold.capture_samplerate)
        ) as held:
            async for _ in held.call:
                pass

    with pytest.raises(UsageError) as caught:
        await listen_in()
    assert isinstance(caught.value.__cause__, MistakeError)
