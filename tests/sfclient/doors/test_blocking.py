"""What holds of the door for programs without a loop alone: its waits, its threads, Ctrl-C."""

import errno
import gc
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from math import inf

import pytest
import trio

import sfclient
from sfclient import (
    Audio,
    Connected,
    Connecting,
    Disconnected,
    MemoryInput,
    NetworkError,
    NullOutput,
    UsageError,
    blocking,
)
from sfclient._crossing import Flag
from sfclient._door import Callback
from sfclient._host import Host
from sfclient.simulator import SpeakAgent

from ..conftest import NUMBERS, listen, noise
from .doors import threads_of_trio
from .far_side import FarSide, open_far_side

WORDS = noise(0.2, 16_000)
TRIO = "sfclient trio"
colour: ContextVar[str] = ContextVar("colour", default="none")


def audio() -> Audio:
    return Audio(MemoryInput(), NullOutput())


def new_url(far: FarSide) -> str:
    return far.do(far.simulator.new_session_url)


def new_session(far: FarSide) -> blocking.Session:
    order = {"api_key": far.simulator.key, "base_url": far.base_url, "dialect": "ws-media"}
    return blocking.request_session("agent", **order, **NUMBERS)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert threads_of_trio() == []


def test_events_wait_no_longer_than_asked():
    with open_far_side(SpeakAgent(WORDS)) as far:
        with blocking.open_call(new_url(far), audio()) as call:
            events = []
            while not any(isinstance(event, Connected) for event in events):
                events += call.events(timeout=0)
            events += call.events(timeout=0.1)
            assert not any(isinstance(event, Disconnected) for event in events)
            assert list(call.events(timeout=0)) == []
            assert call.wait_ended(timeout=0.01) is None
            call.hang_up()
            call.wait_ended()
            events += call.events(timeout=0)
            assert list(call.events(timeout=0)) == list(call) == []
            assert call.wait_ended(timeout=0).by == "caller"
        names = "Connecting Connected SpeechBegan SpeechEnded Disconnected"
        assert " ".join(type(event).__name__ for event in events) == names


def test_who_waits_when_a_call_fails_gets_the_error_in_every_thread():
    with open_far_side(listen) as far, ThreadPoolExecutor() as pool:
        url = far.proxy.through(new_url(far))

        def hold():
            with blocking.open_call(url, audio()) as call:
                while not call.connected:
                    next(call)
                waits.append(pool.submit(call.wait_ended))
                waits.append(pool.submit(list, call))
                far.do(far.proxy.reset)
                for wait in waits:
                    errors.append(wait.exception())
                assert call.ended.by == "network"

        waits, errors = [], []
        with pytest.raises(NetworkError) as raised:
            hold()
        assert errors == [raised.value, raised.value]


def test_what_was_not_read_of_a_call_that_failed_can_be_read():
    with open_far_side(listen) as far:
        url = far.proxy.through(new_url(far))

        def hold():
            with blocking.open_call(url, audio()) as call:
                calls.append(call)
                while not call.connected:
                    pass
                far.do(far.proxy.reset)
                call.wait_ended()

        calls = []
        with pytest.raises(NetworkError):
            hold()
        assert calls[0].wait_ended().by == "network"
        events = list(calls[0])
        assert isinstance(events[0], Connecting)
        assert isinstance(events[-1], Disconnected)


def test_functions_of_the_program_get_a_thread_with_its_context_variables():
    def start(server_name):
        seen.append((colour.get(), server_name))
        return kept.start_call(server_name)  # a wait, which no loop forbids here

    def note(call_id):
        time.sleep(0.05)  # the block is entered when it has returned, as under trio
        seen.append((colour.get(), call_id))

    seen = []
    with open_far_side(listen) as far:
        kept = new_session(far)
        token = colour.set("green")
        try:
            session = blocking.Session(kept.url, "ws-media", start_call=start)
            with blocking.open_call(session, audio(), on_call_id=note) as call:
                assert [one[0] for one in seen] == ["green", "green"]
                assert call.call_id == seen[1][1]
        finally:
            colour.reset(token)


@pytest.mark.parametrize("kind", [sfclient.Session, blocking.Session])
def test_an_async_function_is_refused(kind):
    async def start(server_name):
        raise AssertionError

    with open_far_side(listen) as far:
        session = kind(new_session(far).url, "ws-media", start_call=start)
        with pytest.raises(UsageError, match="plain function"):
            blocking.open_call(session, audio()).__enter__()


def test_a_handler_of_a_signal_may_ask_while_its_thread_does():
    """Of a call that is over: nobody else is asked then."""
    with open_far_side(listen) as far:
        with blocking.open_call(new_url(far), audio()) as call:
            pass

    def ask():
        call._carried.do(lambda _: call.hang_up())

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


def test_who_is_interrupted_in_a_wait_holds_up_nobody_who_sets_the_flag():
    """By Ctrl-C between any two bytecodes: `threading.Event` keeps its lock then."""

    def trace(frame, what, _):
        frame.f_trace_opcodes = True
        if what == "opcode" and next(steps) == at:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    for at in range(1, 1000):  # noqa: B007 -- `trace` looks at it
        flag, steps = Flag(), iter(range(1, 10_000))
        sys.settrace(trace)
        try:
            flag.wait(1e-6)
        except KeyboardInterrupt:
            pass
        else:
            break
        finally:
            sys.settrace(before)
        thread = threading.Thread(target=flag.set, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
        assert flag.wait()
    assert at > 20


def test_a_wait_may_be_longer_than_threads_can_wait():
    with open_far_side(SpeakAgent(WORDS, then="close")) as far, ThreadPoolExecutor() as pool:
        with blocking.open_call(new_url(far), audio()) as call:
            assert pool.submit(call.wait_ended, timeout=1e30).result().by == "agent"


def test_a_callback_that_does_not_return_holds_up_no_program_that_is_over():
    def note(call_id):
        told.append(call_id)
        if len(told) == 2:
            returns.wait(5)

    def be_over(_):
        call._carried._on_call_id("as of a call that is redialled")
        call._carried.job.stop(UsageError("it is over"))

    told, returns = [], threading.Event()
    with open_far_side(listen) as far:
        block = blocking.open_call(new_session(far), audio(), on_call_id=note)
        call = block.__enter__()
        call._carried.do(be_over)
        with pytest.raises(UsageError, match="it is over"):
            block.__exit__(None, None, None)
    returns.set()


async def test_a_callback_that_has_returned_is_forgotten():
    """There is one more with each attempt of a call that may be redialled for months."""

    class Here(Host):
        def begin(self, work, answer):
            answer.give(work())

        def is_gone(self):
            return False

    told = []
    async with trio.open_nursery() as nursery:
        callback = Callback(nursery, Here(), told.append)
        callback("one")
        await callback.wait_returned()
        callback("two")
    assert told == ["one", "two"]
    assert not callback.unreturned


@pytest.fixture
def waited_in(monkeypatch):
    """The names of the threads that have waited; trio's own, which would for ever, does not."""
    names = set()

    def wait(flag, seconds=inf):
        if seconds == inf:
            names.add(threading.current_thread().name)
        return threading.current_thread().name == TRIO or wait_flag(flag, seconds)

    wait_flag = Flag.wait
    monkeypatch.setattr(Flag, "wait", wait)
    return names


def test_a_block_that_is_garbage_to_trio_s_thread_hangs_up_without_a_wait(waited_in):
    def events():
        with blocking.open_call(new_url(far), audio()) as call:
            calls.append(call)
            yield from call

    calls = []
    with open_far_side(listen) as far:
        with blocking.open_call(new_url(far), audio()) as other:
            garbage = [events()]
            next(garbage[0])
            garbage.append(garbage)
            other._carried.do(lambda _: (garbage.clear(), gc.collect()))
            assert calls[0].wait_ended(timeout=60).by == "caller"
    assert TRIO not in waited_in


def test_what_a_handler_of_trio_s_thread_asks_of_a_call_that_fails_does_not_wait(waited_in):
    with open_far_side(listen) as far:

        def hold():
            with blocking.open_call(far.proxy.through(new_url(far)), audio()) as call:
                call._carried._failing = lambda: seen.extend(call.events(timeout=0))
                while not call.connected:
                    pass
                far.do(far.proxy.reset)
                call.wait_ended()

        seen = []
        with pytest.raises(NetworkError):
            hold()
    assert isinstance(seen[0], Connecting)
    assert TRIO not in waited_in


def test_a_thread_that_cannot_run_trio_says_why(monkeypatch):
    def run(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(trio, "run", run)
    with pytest.raises(OSError, match="Too many open files"):
        blocking.open_call("ws://127.0.0.1:1/", audio()).__enter__()


def test_a_call_that_is_over_is_kept_by_nobody():
    with open_far_side(SpeakAgent(WORDS, then="close")) as far:
        gc.collect()
        gc.disable()
        try:
            with blocking.open_call(new_url(far), audio()) as call:
                there = weakref.ref(call._carried.call._uplink)
                call.wait_ended()
            del call
            assert there() is None
            try:
                with blocking.open_call(far.proxy.through(new_url(far)), audio()) as call:
                    there = weakref.ref(call._carried.call._uplink)
                    for event in call:
                        if isinstance(event, Connected):
                            far.do(far.proxy.reset)
            except NetworkError:
                pass
            del call, event
            assert there() is None
        finally:
            gc.enable()
