"""Whether all of `sfaudio` works here; ``python -m sfaudio`` prints it.

Each `Finding` is one fact, and what to do where it is a bad one: `check_core` makes them of the compiled
core, in less than a second and without any device, `check_portaudio` of PortAudio and the devices.
"""

import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

import sfaudio
from sfaudio._kernels import kernel_level
from sfaudio._portaudio import StreamError
from sfaudio.stream import list_devices, list_rates, portaudio_version

__all__ = ["Finding", "check_core", "check_portaudio"]

_REINSTALL = "install the wheel of this system anew: pip install --force-reinstall sfaudio"
_NO_DEVICE = {
    "linux": "plug one in, or start the sound server (PipeWire, PulseAudio, JACK); "
    "a container has none unless it is given /dev/snd or the server's socket",
    "darwin": "plug one in; System Settings > Sound shows it",
    "win32": "plug one in, or enable it in Settings > System > Sound",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `str` of it is for a person: a line, and one with the remedy."""

    name: str
    """What it is about."""
    is_good: bool
    """Whether nothing needs to be done."""
    text: str
    """What was found."""
    remedy: str = ""
    """What to do about it on this system, if it is not good."""

    def __str__(self) -> str:
        line = f"{'ok ' if self.is_good else 'BAD'} {self.name}: {self.text}"
        return f"{line}\n    {self.remedy}" if self.remedy else line


def check_core() -> list[Finding]:
    """Version, vector level and a self-test of the compiled core: no device, no network, under a second."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    return [
        Finding("sfaudio", True, f"{sfaudio.__version__}, {python}, {system}"),
        Finding("vectors", True, f"kernels for {kernel_level()}"),
        _test_itself(),
    ]


def check_portaudio() -> list[Finding]:
    """PortAudio, and each device that it knows, with the rates that the default ones take.

    PortAudio is loaded and initialised for it; a sound server that does not answer may keep it waiting.
    """
    try:
        found = [Finding("PortAudio", True, portaudio_version())]
        devices = list_devices()
    except StreamError as error:
        return [Finding("PortAudio", False, "cannot be used", str(error))]
    for device in devices:
        ends = [
            f"{channels} {kind}"
            for kind, channels in (("in", device.input_channels), ("out", device.output_channels))
            if channels
        ]
        text = f"{device}, {', '.join(ends)}, {device.samplerate:g} Hz"
        found.append(Finding("device", True, text))
    for kind in ("input", "output"):
        default = next((d for d in devices if getattr(d, f"is_default_{kind}")), None)
        if default is None:
            remedy = _NO_DEVICE.get(sys.platform, "plug one in")
            found.append(Finding(f"default {kind}", False, "none", remedy))
        else:
            rates = ", ".join(str(rate) for rate in list_rates(default, kind))
            found.append(Finding(f"default {kind}", True, f"{default}, takes {rates or 'none'} Hz"))
    return found


def _test_itself() -> Finding:
    began = perf_counter()
    wrong = [name for name, holds in _TESTS.items() if not holds()]
    if wrong:
        return Finding("self-test", False, f"wrong: {', '.join(wrong)}", _REINSTALL)
    milliseconds = 1000 * (perf_counter() - began)
    return Finding("self-test", True, f"{len(_TESTS)} parts in {milliseconds:.0f} ms")


def _every_int16() -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.arange(-32768, 32768).astype(np.int16)


def _tone(rate: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """A second of 500 Hz at half of full scale."""
    return (16384 * np.sin(2 * np.pi * 500 * np.arange(rate) / rate)).astype(np.int16)


def _converts() -> bool:
    floats = sfaudio.int16_to_float32(_every_int16())
    exact = np.arange(-32768, 32768) / 32768
    wire = np.trunc(exact * np.where(exact < 0, 32768, 32767)).astype(np.int16)
    return bool(
        (floats == exact).all()
        and (sfaudio.float32_to_int16(floats) == wire).all()
        and (sfaudio.float32_to_int16(floats, rule="symmetric") == _every_int16()).all()
    )


def _keeps_g711() -> bool:
    codes = np.arange(256).astype(np.uint8)
    samples = sfaudio.ulaw_to_int16(codes), sfaudio.alaw_to_int16(codes)
    again = sfaudio.int16_to_ulaw(samples[0]), sfaudio.int16_to_alaw(samples[1])
    # mu-law has two zeros, the second of which is told as the first.
    return bool(
        (again[0] == np.where(codes == 127, 255, codes)).all() and (again[1] == codes).all()
    )


def _works_on_blocks() -> bool:
    samples = _every_int16()
    stereo = sfaudio.from_mono(samples, 2)
    found = sfaudio.level(samples)
    return bool(
        (sfaudio.to_mono(stereo, 2) == samples).all()
        and (sfaudio.byteswap_int16(samples) == samples.byteswap()).all()
        and (found.peak, found.clipped) == (1.0, 2)
    )


def _queues() -> bool:
    samples, out = _every_int16(), np.empty(65536, np.int16)
    playout, capture = sfaudio.JitterBuffer(65536), sfaudio.CaptureQueue(65536)
    playout.write(samples)
    playout.read_into(out)
    capture.write(out)
    return capture.read(65536) == samples.tobytes()


def _resamples() -> bool:
    there, back = sfaudio.Resampler(16_000, 48_000), sfaudio.Resampler(48_000, 16_000)
    played = np.asarray(back.process(there.process(_tone(16_000))))[1000:-1000]
    return 13_900 < len(played) <= 14_000 and abs(int(np.abs(played).max()) - 16384) < 50


def _plays() -> bool:
    playout = sfaudio.JitterBuffer(16_000)
    engine = sfaudio.PlayoutEngine(playout)
    playout.write(_tone(16_000))
    playout.drain()
    out = np.empty(32_000, np.int16)
    engine.read_into(out)
    found = engine.statistics()
    return found.read_frames == 16_000 and found.concealed_frames == 0 and int(out.max()) == 16384


def _hears() -> bool:
    meter, silence = sfaudio.Meter(16_000), np.zeros(16_000, np.int16)
    for at, block in enumerate((silence, _tone(16_000), silence)):
        meter.hear(block, at)
    turns = [(begins, round(at, 6)) for begins, at in meter.read_segments()]
    return turns == [(True, 1.0), (False, 2.0)] and 16_000 <= meter.zero_frames < 16_010


_TESTS: dict[str, Callable[[], bool]] = {
    "conversion": _converts,
    "G.711": _keeps_g711,
    "blocks": _works_on_blocks,
    "queues": _queues,
    "resampler": _resamples,
    "playout engine": _plays,
    "meter": _hears,
}
