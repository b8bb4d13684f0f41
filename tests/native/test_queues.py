"""The queues between threads under ThreadSanitizer, which must be silent, and must find planted faults.

The programs are C, without Python, whose locks would order everything. gcc does not model fences
in ThreadSanitizer; the fences of the capture queue are for readers that are overtaken, whose samples
are atomic and therefore never a race: there the values are checked.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import Workshop, lacking

SAMPLES = 12_000_000  # A planted relaxed store is found from some 5 million on.
FLAGS = ("-g", "-O1", "-fsanitize=thread")
RACE = 66
SAMPLE_ACCESS = {
    "playout": (),
    "capture": ("-DSF_LOAD_SAMPLE(p)=(*(p))", "-DSF_STORE_SAMPLE(p,v)=(*(p)=(v))"),
    "overtaken": ("-DPAUSE_IN_COPY",),
    "engine": (),
}
UNORDERED_STORE = "-DSF_RELEASE=__ATOMIC_RELAXED"
UNORDERED_LOAD = "-DSF_ACQUIRE=__ATOMIC_RELAXED"
# A segment is freed while the reader is in it, or when a later round of the ring is in it.
WRONG_TIME = {
    "early": ("while of.behind < tail >> of.shift:", "while of.behind < (tail >> of.shift) + 1:"),
    "late": ("of.behind = (head >> of.shift) - of.slot_mask", "pass"),
}
MODULE = {"playout": "pcm", "capture": "capture", "overtaken": "capture", "engine": "pcm"}
# A word of the engine, or the stream, that others may ask for is written as if they could not.
NOT_ATOMIC = {
    "output_frames": (
        "callback",
        "_position.pxd",
        "sf_store_relaxed(&at.output_frames, played)",
        "at.output_frames = played",
    ),
    "told_state": (
        "engine",
        "_engine.pyx",
        "sf_store_relaxed(&engine.told_state, <uint64_t> engine.state)",
        "engine.told_state = <uint64_t> engine.state",
    ),
    "counters": (
        "engine",
        "_engine.pyx",
        "sf_store_relaxed(counter, counter[0] + <uint64_t> frames)",
        "counter[0] += frames",
    ),
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def common(workshop: Workshop) -> dict[str, Path]:
    """The harness, and all modules without a fault."""
    empty = workshop.folder / "empty.c"
    empty.write_text("int main(void) { return 0; }")
    command = [workshop.compiler, "-fsanitize=thread", empty, "-o", empty.with_suffix("")]
    if subprocess.run(command, capture_output=True).returncode != 0:
        lacking("ThreadSanitizer")
    return {"": workshop.compile("stress_queues.c", *FLAGS), **workshop.modules(*FLAGS)}


def stress(
    workshop: Workshop,
    common: dict[str, Path],
    scenario: str,
    *faults: str,
    name: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run one of the scenarios of stress_queues.c, with a module of this workshop's own."""
    name = name or MODULE[scenario]
    module = workshop.module(name, *FLAGS, *SAMPLE_ACCESS[scenario], *faults)
    objects = common | {name: module}
    program = workshop.link(*objects.values(), flags=("-fsanitize=thread",))
    env = os.environ | {"TSAN_OPTIONS": f"halt_on_error=1:exitcode={RACE}"}
    command = [program, scenario, f"{SAMPLES}"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
    if "unexpected memory mapping" in done.stderr and shutil.which("setarch"):
        # It does not know where this kernel may put things.
        command = ["setarch", "-R", *command]
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
    print(done.stdout, end="")
    return done


@pytest.mark.parametrize("scenario", ["playout", "capture", "overtaken"])
def test_every_sample_arrives_in_order_without_a_race(
    workshop: Workshop, common: dict[str, Path], scenario: str
) -> None:
    done = stress(workshop, common, scenario)
    assert done.returncode == 0, done.stderr
    numbers = re.findall(r"(\d+) (?:written|read|freed)", done.stdout)
    written, read, freed = map(int, numbers)
    assert written == SAMPLES
    # How much is thrown away, by a flush or being overtaken, is the scheduler's.
    assert read >= (SAMPLES if scenario == "capture" else SAMPLES // 20)
    assert freed > 100  # The writer was giving memory back all the time.
    assert done.stderr == ""


def test_an_engine_that_others_ask_plays_all_that_can_happen_without_a_race(
    workshop: Workshop, common: dict[str, Path]
) -> None:
    done = stress(workshop, common, "engine")
    assert done.returncode == 0, done.stderr
    figures = {name: int(number) for number, name in re.findall(r"(\d+) (\w+)", done.stdout)}
    assert figures.pop("written") == SAMPLES
    assert figures.pop("read") >= SAMPLES // 20
    assert min(figures.values()) > 0, figures  # How often each happened is the scheduler's.
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("scenario", "name", "fault"),
    [
        ("playout", "pcm", UNORDERED_STORE),
        ("playout", "pcm", UNORDERED_LOAD),
        ("capture", "capture", UNORDERED_STORE),
        ("capture", "capture", UNORDERED_LOAD),
        ("engine", "pcm", UNORDERED_STORE),  # of what was written
        ("engine", "reader", UNORDERED_LOAD),
        ("engine", "reader", UNORDERED_STORE),  # of what was read, and may be freed
        ("engine", "pcm", UNORDERED_LOAD),
        ("engine", "engine", UNORDERED_STORE),  # of what was noted
        ("engine", "playout", UNORDERED_LOAD),
        ("engine", "meter", UNORDERED_STORE),  # of a segment
        ("engine", "meter", UNORDERED_LOAD),
    ],
)
def test_a_missing_order_is_found(
    workshop: Workshop, common: dict[str, Path], scenario: str, name: str, fault: str
) -> None:
    done = stress(workshop, common, scenario, fault, name=name)
    assert done.returncode == RACE, done.stderr
    assert "data race" in done.stderr


@pytest.mark.parametrize("word", NOT_ATOMIC)
def test_a_word_that_others_ask_for_and_is_not_atomic_is_found(
    workshop: Workshop, common: dict[str, Path], word: str
) -> None:
    name, *fault = NOT_ATOMIC[word]
    spoiled = workshop.spoiled((name,), tuple(fault))
    done = stress(spoiled, common, "engine", name=name)
    assert done.returncode == RACE, done.stderr
    assert "data race" in done.stderr


@pytest.fixture(scope="module", params=WRONG_TIME)
def spoiled(request: pytest.FixtureRequest, workshop: Workshop) -> Workshop:
    return workshop.spoiled(("pcm", "capture"), ("_segments.pxd", *WRONG_TIME[request.param]))


@pytest.mark.parametrize("scenario", ["playout", "overtaken"])  # whose rings are full now and then
def test_a_segment_that_is_freed_at_the_wrong_time_is_found(
    spoiled: Workshop, common: dict[str, Path], scenario: str
) -> None:
    for _ in range(3):  # a race is one of chance, and a busy machine has its threads take turns
        done = stress(spoiled, common, scenario)
        if done.returncode == RACE:
            break
    assert done.returncode == RACE, done.stderr
    assert "ThreadSanitizer" in done.stderr


def test_a_reader_that_does_not_notice_being_overtaken_is_found(
    workshop: Workshop, common: dict[str, Path]
) -> None:
    done = stress(workshop, common, "overtaken", "-DCHECK_NOTHING")
    assert done.returncode == 1, done.stderr
    assert "wrong sample" in done.stderr
