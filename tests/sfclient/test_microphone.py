"""A microphone that gives nothing but zeros, and one that gives something again."""

import numpy as np
import pytest
import trio

from sfclient import MemoryInput, MicrophoneReturned, MicrophoneSilent, NullOutput
from sfclient._devices._virtual import VirtualLine
from sfclient._hearing import Hearing
from sfclient._microphone import Microphone, MicrophoneStatistics, remedy_for_silence
from sfclient._watch import CallClock


def told_of(*looks: tuple[float, float]) -> tuple[Microphone, list]:
    """Each: up to when it was heard, and for how long it had been zero by then."""
    told: list = []
    microphone = Microphone(told.append)
    for until, zero_seconds in looks:
        microphone.look(until, zero_seconds)
    return microphone, told


def test_a_second_of_zeros_is_told_once_with_its_begin_and_so_is_its_end():
    microphone, told = told_of((0.9, 0.9), (1.05, 1.0), (1.5, 1.45), (2.1, 0.1), (3.0, 0.0))
    assert told == [MicrophoneSilent(remedy_for_silence()), MicrophoneReturned(1.95)]
    assert [event.at for event in told] == pytest.approx([0.05, 2.0])
    assert microphone.statistics() == MicrophoneStatistics(1, pytest.approx(1.95))


def test_a_silence_that_lasts_is_counted_while_it_does():
    microphone, _ = told_of((2.0, 1.5), (4.0, 3.5))
    assert microphone.statistics() == MicrophoneStatistics(1, 3.5)


def test_zeros_of_the_device_before_do_not_count():
    microphone, told = told_of((2.0, 1.5))
    microphone.begin(2.0)
    microphone.look(2.9, 2.4)
    assert told == [MicrophoneSilent(remedy_for_silence())]
    microphone.look(3.0, 2.5)
    assert [event.at for event in told] == [0.5, 2.0]
    assert microphone.statistics() == MicrophoneStatistics(2, 2.5)


def test_zeros_of_the_device_before_do_not_make_another_one_silent():
    microphone, told = told_of((2.0, 0.9))
    microphone.changed(2.0)
    microphone.look(2.9, 1.8)
    assert told == []
    microphone.look(3.0, 1.9)
    assert [event.at for event in told] == [2.0]
    microphone.changed(3.5)
    microphone.look(3.6, 2.5)
    assert len(told) == 1  # it lasts
    microphone.look(4.0, 0.0)
    assert told[1:] == [MicrophoneReturned(2.0)]


def test_silence_that_was_told_is_told_to_be_over_though_the_device_changed_meanwhile():
    microphone, told = told_of((2.0, 1.5))
    microphone.begin(2.0)
    microphone.look(2.5, 2.0)  # zeros, which tell nothing yet
    assert told == [MicrophoneSilent(remedy_for_silence())]
    microphone.look(3.0, 0.25)
    assert told[1:] == [MicrophoneReturned(2.25)]
    assert told[1].at == 2.75
    microphone.look(4.5, 0.0)
    assert len(told) == 2
    assert microphone.statistics() == MicrophoneStatistics(1, 1.5)


@pytest.mark.parametrize(
    ("platform", "words"),
    [
        ("darwin", "Privacy & Security > Microphone"),
        ("win32", "desktop apps"),
        ("linux", "pavucontrol"),
        ("freebsd14", "unmute it"),
    ],
)
def test_the_remedy_is_that_of_the_system(platform, words):
    assert words in remedy_for_silence(platform)
    assert "\n" not in remedy_for_silence(platform)


async def test_a_microphone_that_is_lost_gives_zeros_and_is_not_called_silent(autojump_clock):
    told: list = []
    line = VirtualLine(MemoryInput(), NullOutput(), 48_000, 16_000)
    line.is_real = True
    hearing = Hearing(told.append, line, line, CallClock())

    async def hear_zeros(seconds: float) -> list[float]:
        hearing.caller.meter.hear(np.zeros(round(48_000 * seconds), np.int16), trio.current_time())
        await trio.sleep(seconds)
        hearing.look(0)
        return [round(event.at, 6) for event in told]

    assert await hear_zeros(0.9) == []
    assert await hear_zeros(0.3) == [0.0]
    hearing.device_changed(is_there=False)
    assert await hear_zeros(5) == [0.0]
    hearing.device_changed(is_there=True)
    assert await hear_zeros(0.9) == [0.0]
    assert await hear_zeros(0.2) == [0.0, 6.2]
    assert {type(event) for event in told} == {MicrophoneSilent}
    assert hearing.sound().microphone == MicrophoneStatistics(2, pytest.approx(2.3))
