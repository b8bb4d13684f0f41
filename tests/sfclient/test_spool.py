"""What may block is done in threads: nobody waits who must not, and nobody for ever."""

import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue

import pytest
import trio

from sfclient._spool import Spool, in_place, in_thread, in_time


class Blocked:
    """Work that goes on when it is let."""

    def __init__(self) -> None:
        self.begun, self.let, self.done = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, *_: object) -> str:
        self.begun.set()
        assert self.let.wait(20)
        self.done.set()
        return "done"


def test_what_was_put_is_written_in_order_and_then_it_finishes():
    written: list[bytes] = []
    spool = Spool(written.append, lambda: written.append(b"finished"), most_bytes=1000)
    for part in (b"a", b"bc", b"", b"d"):
        assert spool.put(part)
    spool.close()
    assert b"".join(written) == b"abcdfinished"
    assert spool.error is None


def test_what_comes_together_is_written_together():
    written: list[bytes] = []
    spool = Spool(written.append, every=3600, most_bytes=1000)
    for _ in range(100):
        spool.put(b"x")
    spool.close()  # at once, not in an hour
    assert written == [bytes(b"x" * 100)]


def test_much_that_waits_is_not_kept_waiting():
    came = threading.Event()
    spool = Spool(lambda data: came.set(), every=3600, most_bytes=10 << 20)
    spool.put(bytes(2 << 20))
    assert came.wait(20)
    spool.close()


def test_error_ends_it_and_holds_nothing():
    def fail(data: bytes) -> None:
        raise OSError("full")

    finished = threading.Event()
    spool = Spool(fail, finished.set, most_bytes=1000)
    spool.put(b"a")
    assert finished.wait(20)
    spool.close()
    assert str(spool.error) == "full"
    assert spool.error.__traceback__ is None
    assert not spool.put(b"b")


async def test_thread_is_abandoned_when_it_is_cancelled_and_undone_when_it_ends(autojump_clock):
    work, undone = Blocked(), SimpleQueue[str]()
    with trio.move_on_after(1) as scope:
        await in_thread(work, undone.put)
    assert scope.cancelled_caught
    assert not work.done.is_set()
    work.let.set()
    assert undone.get(timeout=20) == "done"


async def test_thread_that_has_just_ended_when_it_is_cancelled_is_undone():
    work, undone = Blocked(), SimpleQueue[str]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(in_thread, work, undone.put)
        await trio.to_thread.run_sync(work.begun.wait)
        # While trio's thread is busy, so that nobody knows of the end.
        work.let.set()
        assert work.done.wait(20)
        time.sleep(0.02)  # noqa: ASYNC251 -- that is the point
        nursery.cancel_scope.cancel()
    assert undone.get(timeout=2) == "done"
    assert undone.empty()


async def test_threads_that_are_abandoned_leave_room_for_others():
    work = Blocked()
    for _ in range(50):  # more than trio has tokens
        with trio.move_on_after(0.001):
            await in_thread(work)
    with trio.fail_after(10):
        assert await in_thread(lambda: 7) == 7
    work.let.set()


async def test_what_must_be_done_is_done_though_cancelled(autojump_clock):
    """And by no clock but the real one."""
    work = Blocked()
    threading.Timer(0.05, work.let.set).start()
    with trio.CancelScope() as scope:
        scope.cancel()
        assert await in_time(work, 20) == "done"


async def test_what_never_ends_is_left_alone(autojump_clock):
    work = Blocked()
    with pytest.raises(TimeoutError, match=r"it took more than 0\.05 s"):
        await in_time(work, 0.05)
    work.let.set()
    assert work.done.wait(20)


async def test_error_of_what_must_be_done_is_raised():
    with pytest.raises(ValueError, match="wrong"):
        await in_time(lambda: int("wrong"))


@pytest.fixture
def in_its_place() -> Iterator[None]:
    token = in_place.set(True)
    yield
    in_place.reset(token)


@pytest.mark.usefixtures("in_its_place")
def test_in_place_much_is_written_by_who_puts_it_and_the_rest_at_the_end():
    written: list[bytes] = []
    before = threading.active_count()
    spool = Spool(written.append, lambda: written.append(b"finished"), every=3600, most_bytes=1000)
    for part in (b"a", b"b" * 600, b"c"):
        assert spool.put(part)
    assert (written, threading.active_count()) == ([b"a" + b"b" * 600], before)
    spool.close()
    assert written[1:] == [b"c", b"finished"]


@pytest.mark.usefixtures("in_its_place")
def test_in_place_an_error_ends_it_and_ctrl_c_is_raised():
    def write(data: bytes) -> None:
        raise KeyboardInterrupt if data[0] else OSError("full")

    spool = Spool(write, most_bytes=100)
    assert not spool.put(bytes(60))
    assert (str(spool.error), spool.put(b"x")) == ("full", False)
    spool = Spool(write, most_bytes=100)
    with pytest.raises(KeyboardInterrupt):
        spool.put(b"x" * 60)


@pytest.mark.usefixtures("in_its_place")
async def test_in_place_work_is_done_without_a_thread():
    assert await in_thread(threading.get_ident) == await in_time(threading.get_ident)
    assert await in_thread(threading.get_ident) == threading.get_ident()
