"""What may be asked for in any thread is, in several at the same time: most telling on a CPython without the GIL."""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pytest
import trio

from sfclient import (
    Audio,
    MemoryInput,
    MemoryOutput,
    NullOutput,
    StreamInput,
    StreamOutput,
    UsageError,
    blocking,
)
from sfclient._door import CarriedCall
from sfclient._event_queue import EventQueue
from sfclient._host import current_host
from sfclient._trio_thread import Job
from sfclient.simulator import SpeakAgent

from ..conftest import noise
from .doors import threads_of_trio
from .far_side import FarSide, open_far_side

T = TypeVar("T")

THREADS = 4
ROUNDS = 50
RATE = 16_000
BLOCK = np.frombuffer(noise(0.01, RATE), np.int16)


@pytest.fixture(autouse=True)
def busy_threads() -> Iterator[None]:
    """They take turns all the time."""
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(switch)
    assert threads_of_trio() == []


def at_once(work: Callable[[], T], threads: int = THREADS) -> list[T]:
    """What it returns in each of these threads, which begin it together."""
    everyone = threading.Barrier(threads)

    def run() -> T:
        everyone.wait()
        return work()

    with ThreadPoolExecutor(threads) as pool:
        return [each.result() for each in [pool.submit(run) for _ in range(threads)]]


def refuses(work: Callable[[], object]) -> bool:
    try:
        work()
    except UsageError:
        return True
    return False


def call_of(far: FarSide, audio: Audio | None = None, **options: Any) -> Any:
    url = far.do(far.simulator.new_session_url)
    return blocking.open_call(url, audio or Audio(MemoryInput(), NullOutput()), **options)


def test_what_is_good_for_one_call_is_taken_by_one() -> None:
    for _ in range(ROUNDS):
        speech, output = StreamInput(iter([b""]), samplerate=RATE), StreamOutput()
        for open_it in (speech.open, partial(output.open, RATE)):
            assert sorted(at_once(partial(refuses, open_it))) == [False, True, True, True]


def test_a_block_is_entered_by_one() -> None:
    with open_far_side(SpeakAgent(b"")) as far:

        def hold(block: Any) -> None:
            with block:
                pass

        for _ in range(5):
            entering = partial(refuses, partial(hold, call_of(far)))
            assert sorted(at_once(entering)) == [False, True, True, True]


def test_calls_are_counted_one_by_one() -> None:
    def number() -> list[int]:
        return [EventQueue()._call for _ in range(ROUNDS)]

    numbers = [each for numbers in at_once(number) for each in numbers]
    assert len(set(numbers)) == THREADS * ROUNDS


def test_what_was_played_is_read_while_more_is() -> None:
    output = MemoryOutput()
    output.open(RATE)
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            played = output.played
            assert played == BLOCK.tobytes() * (len(played) // BLOCK.nbytes)

    with ThreadPoolExecutor(THREADS) as pool:
        readers = [pool.submit(read) for _ in range(THREADS)]
        for _ in range(10 * ROUNDS):
            output.write(BLOCK)
        is_over.set()
        for reader in readers:
            reader.result()


def test_what_both_sides_said_is_read_while_they_speak() -> None:
    speech = noise(1.0, 48_000)
    with open_far_side(SpeakAgent(noise(1.0, RATE))) as far:
        with call_of(far, Audio(MemoryInput(speech), MemoryOutput())) as call:
            while not far.simulator.calls:
                time.sleep(0.01)  # Its side may be in the handshake still.
            (simulated,) = far.simulator.calls

            def read() -> None:
                while len(simulated.received_audio) < len(speech):
                    assert len(simulated.sent_audio) % 2 == 0

            at_once(read)
            call.hang_up()


def test_who_begins_to_wait_for_a_block_when_the_call_ends_is_told() -> None:
    output = blocking.StreamOutput()
    output.open(RATE)

    class Wakes(deque[Any]):
        def append(self, wake: Any) -> None:
            output.close()  # between the look whether it is over and the wait
            super().append(wake)

    output._wakes = Wakes()
    assert at_once(lambda: list(output), threads=1) == [[]]


def test_the_reader_of_a_call_that_ends_never_waits_for_ever() -> None:
    for _ in range(10 * ROUNDS):
        output = blocking.StreamOutput()
        output.open(RATE)
        with ThreadPoolExecutor(1) as pool:
            heard = pool.submit(list, output)
            output.write(BLOCK)
            output.close()
            assert len(heard.result(60)) == 1


def test_a_call_is_asked_by_several_threads_until_it_is_over() -> None:
    with open_far_side(SpeakAgent(noise(0.3, RATE))) as far:

        def ask(call: Any, is_over: threading.Event) -> int:
            asked = 0
            while not is_over.is_set() or not asked:
                call.mute(not call.muted)
                assert call.statistics()
                assert call.levels()
                assert call.network()
                asked += 1
            return asked

        for _ in range(3):
            with call_of(far, tap=True) as call:
                is_over = threading.Event()
                with ThreadPoolExecutor(THREADS) as pool:
                    asking = [pool.submit(ask, call, is_over) for _ in range(THREADS)]
                    list(call.events(timeout=0.05))
                    call.hang_up()
                    call.wait_ended()
                    is_over.set()
                    assert all(each.result() for each in asking)


def test_several_threads_have_one_tap() -> None:
    with open_far_side(SpeakAgent(b"")) as far:

        def tap(call: Any) -> Any:
            return call.tap

        for _ in range(5):
            with call_of(far, tap=True) as call:
                assert len(set(map(id, at_once(partial(tap, call))))) == 1


def test_events_are_shared_out_and_each_is_told_once() -> None:
    with open_far_side(SpeakAgent(noise(0.3, RATE))) as far:
        with call_of(far) as call:
            threading.Timer(0.2, call.hang_up).start()
            told = [event for events in at_once(lambda: list(call)) for event in events]
            assert len({id(event) for event in told}) == len(told)
            names = [type(event).__name__ for event in sorted(told, key=lambda event: event.at)]
            assert names[0] == "Connecting"
            assert names[-1] == "Disconnected"
            assert names.count("Disconnected") == 1


def test_what_was_asked_of_a_call_when_it_ended_is_done_by_who_asked() -> None:
    """Not by trio's thread, while others do the same: of a call that is over, no two threads do anything at once."""
    where: list[threading.Thread] = []

    class Ended(Job[None]):
        def run(self, function: Callable[[], T]) -> T:
            self.is_over = True  # by trio's thread, before it comes to this
            return super().run(function)

    carried = CarriedCall((), {}, None, *3 * [lambda: None])  # type: ignore[arg-type]
    carried.job, carried.call = Ended(trio.sleep_forever), object()  # type: ignore[arg-type,assignment]
    carried.do(lambda _: where.append(carried._lock._is_owned()))  # type: ignore[attr-defined]
    assert where == [True]


def test_what_a_program_is_asked_for_is_outside_of_the_call() -> None:
    hosts: list[object] = []

    with open_far_side(SpeakAgent(b"")) as far:
        url = far.do(far.simulator.new_session_url)

        def session() -> blocking.Session:
            hosts.append(current_host())
            return blocking.Session(url)

        with blocking.open_call(session, Audio(MemoryInput(), NullOutput())):
            pass
    assert hosts == [None]
