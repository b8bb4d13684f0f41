"""What the queues cost: memory is there for what is queued, and what was read or played is given back.

`tracemalloc` sees it to the byte.
"""

import os
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from sfaudio import CaptureQueue, JitterBuffer
from sfaudio._callback import StreamCallback

from .queues import int16, take

SEGMENT = 16_384  # bytes
RATE = 16_000
CHUNK = np.arange(640, dtype=np.int16)  # 40 ms


@pytest.fixture
def traced() -> Iterator[Callable[[], int]]:
    """How many bytes more there are than at the beginning."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    yield lambda: tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()


def peak(of: Callable[[], None]) -> int:
    """How many bytes more there were at some time."""
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    of()
    return tracemalloc.get_traced_memory()[1] - before


def test_a_large_queue_costs_little_until_it_is_written(traced: Callable[[], int]) -> None:
    queues = JitterBuffer(180 * 48_000), CaptureQueue(20 * 48_000)
    assert traced() < 30_000
    assert queues[0].queued_frames == queues[1].queued_frames == 0


def test_a_small_queue_costs_little_when_it_is_full(traced: Callable[[], int]) -> None:
    buffer, queue = JitterBuffer(100), CaptureQueue(100)
    for _ in range(10):
        buffer.write(bytes(200))
        queue.write(bytes(200))
    assert traced() < SEGMENT / 2


def test_a_queue_that_is_gone_leaves_nothing(traced: Callable[[], int]) -> None:
    mine = traced()
    for _ in range(20):
        buffer, queue = JitterBuffer(180 * RATE), CaptureQueue(20 * RATE)
        for _ in range(2):
            buffer.write(bytes(4 * SEGMENT))
            queue.write(bytes(4 * SEGMENT))
            buffer.read_into(bytearray(4 * SEGMENT))
            queue.read_into(bytearray(4 * SEGMENT))
            buffer.write(b"")  # which leaves a spare one
            queue.write(b"")
    del buffer, queue
    assert traced() - mine < SEGMENT / 2


def test_an_hour_of_a_call_costs_no_more_than_its_first_seconds(traced: Callable[[], int]) -> None:
    buffer, queue = JitterBuffer(180 * RATE), CaptureQueue(20 * RATE)
    out, record = np.zeros_like(CHUNK), np.zeros_like(CHUNK)
    buffer.write(CHUNK)
    queue.write(CHUNK)

    def an_hour() -> None:
        for _ in range(3600 * 25):
            buffer.write(CHUNK)
            buffer.read_into(out)
            queue.write(CHUNK)
            queue.read_into(record)

    # At most one more segment each than at first, when all lay in one.
    assert peak(an_hour) < 2 * SEGMENT + 1000
    assert traced() < 100_000
    assert (out == CHUNK).all()
    assert (record == CHUNK).all()


@pytest.mark.parametrize(
    "tidy",
    [
        lambda buffer: buffer.write(b""),
        lambda buffer: buffer.write(CHUNK),
        JitterBuffer.flush,
        JitterBuffer.drain,
        JitterBuffer.abort,
    ],
    ids=["nothing", "chunk", "flush", "drain", "abort"],
)
def test_a_burst_that_was_played_is_given_back(
    traced: Callable[[], int], tidy: Callable[[JitterBuffer], object]
) -> None:
    buffer = JitterBuffer(180 * RATE)
    burst = np.arange(60 * RATE).astype(np.int16)
    mine = traced()
    for _ in range(3):  # the directory's slots come round
        assert buffer.write(burst) == burst.nbytes
        assert burst.nbytes <= traced() - mine < burst.nbytes + 2 * SEGMENT + 1000
        out = np.zeros_like(burst)
        buffer.read_into(out)
        assert (out == burst).all()
        del out
        tidy(buffer)
        assert traced() - mine < 2 * SEGMENT + 1000  # where the next goes, and a spare one
        buffer.read_into(np.zeros_like(CHUNK))


def test_a_capture_that_nobody_reads_grows_to_its_ring_and_no_further(
    traced: Callable[[], int],
) -> None:
    queue = CaptureQueue(20 * RATE)
    block = np.arange(RATE, dtype=np.int16)
    mine = traced()
    for _ in range(100):
        queue.write(block)
    ring = 2 * 2**20
    assert ring <= traced() - mine < ring + 1000
    assert queue.read(20 * RATE) == block.tobytes() * 20
    queue.write(block[:1])
    assert traced() - mine < 2 * SEGMENT + 1000
    assert take(queue, 2) == [0]


def test_a_stream_finds_its_memory_and_leaves_it_to_the_next_write(
    traced: Callable[[], int],
) -> None:
    queue = CaptureQueue(20 * RATE)
    block = np.full(RATE, 0.5, np.float32)
    queue.write(int16([1, 2, 3]))
    mine = traced()
    callback = StreamCallback(queue)
    ring = 2 * 2**20
    assert ring - SEGMENT <= traced() - mine < ring

    def record() -> None:
        for _ in range(100):
            callback.run(block, None)

    assert take(queue, 3) == [1, 2, 3]  # allocating has left them
    assert peak(record) < 1000
    callback.close()
    assert queue.read(20 * RATE) == np.full(20 * RATE, 16383, np.int16).tobytes()
    queue.write(b"")
    assert traced() - mine < 2 * SEGMENT


def test_a_stream_meets_no_new_page() -> None:
    resource = pytest.importorskip("resource")
    queue = CaptureQueue(60 * 48_000)
    callback = StreamCallback(queue)
    block = np.full(48_000, 0.5, np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(180):
        callback.run(block, None)
    pages = 2 * 2**23 // resource.getpagesize()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < pages / 10


# ---- when there is none

SCARCE = """
    import resource
    import numpy as np
    from sfaudio import CaptureQueue, JitterBuffer
    from sfaudio._callback import StreamCallback

    def scarce(mib):
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (mib << 20), resource.RLIM_INFINITY))

    block = np.arange(250_000).astype(np.int16)
    out = np.zeros(10_000, np.int16)
    twice, got = memoryview(np.tile(block, 2)), memoryview(out)
"""


def run_scarce(program: str) -> str:
    """A program for which there are so many MiB of memory, and no more, when it says so."""
    source = textwrap.dedent(SCARCE) + textwrap.dedent(program)
    command = [sys.executable, "-c", source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


needs_limits = pytest.mark.skipif(
    not sys.platform.startswith("linux") or "ASAN_OPTIONS" in os.environ,
    reason="needs a limit of memory that is kept to",
)


@needs_limits
def test_a_jitter_buffer_without_memory_loses_nothing() -> None:
    said = run_scarce(
        """
        buffer = JitterBuffer(1 << 30)
        scarce(20)
        sent, rest = 0, memoryview(block).cast("B")
        buffer.write(rest[:1])
        rest = rest[1:]
        try:
            while True:
                taken = buffer.write(rest)
                sent += taken
                rest = rest[taken:] or memoryview(block).cast("B")
        except MemoryError as error:
            print(error)
        sent += buffer.write(rest[:1])
        rest = rest[1:]
        for _ in range(3):
            try:
                buffer.write(rest)
            except MemoryError as error:
                print("again")
        counts = buffer.statistics()
        assert counts.queued_frames == counts.written_frames == (1 + sent) // 2 > 5_000_000
        assert buffer.writable_frames == (1 << 30) - counts.queued_frames
        played = 0
        while buffer.queued_frames:
            taken = buffer.read_into(out)
            at = played % len(block)
            assert got[:taken] == twice[at : at + taken]
            played += taken
        assert buffer.write(rest) == len(rest)
        buffer.read_into(out)
        assert out[0] == block[played % len(block)]
        """
    )
    told, *again = said.splitlines()
    assert told.startswith("no memory to queue")
    assert again == ["again"] * 3


@needs_limits
def test_a_capture_queue_without_memory_takes_no_part_of_a_block() -> None:
    said = run_scarce(
        """
        queue = CaptureQueue(1 << 30)
        scarce(20)
        sent = 0
        try:
            while True:
                queue.write(block)
                sent += len(block)
        except MemoryError as error:
            print(error)
        try:
            StreamCallback(queue)
        except MemoryError as error:
            print(error)
        assert queue.statistics().written_frames == queue.queued_frames == sent > 5_000_000
        for at in range(0, sent, len(out)):
            queue.read_into(out)
            at %= len(block)
            assert got == twice[at : at + len(out)]
        queue.write(block)
        assert queue.read(10) == block[:10].tobytes()
        assert queue.statistics().dropped_frames == 0
        """
    )
    first, second = said.splitlines()
    assert first.startswith("no memory to queue 250000 frames")
    assert second.startswith("no memory for a capture queue of 1073741824 frames")
