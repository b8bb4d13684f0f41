"""A microphone that gives nothing: what a system without permission does, or a muted input. Without I/O."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from sfclient._events import Event, MicrophoneReturned, MicrophoneSilent

# Exact zeros in a row. Some devices give less than that when they start; a room never does.
SILENT_SECONDS = 1.0
OTHER = "or choose another input (sfclient devices lists them)"
REMEDIES = {
    "darwin": "allow it to this program, or to the terminal that runs it, in System Settings > Privacy & Security >"
    f" Microphone, and start that anew; unmute it in Sound > Input; {OTHER}",
    "win32": "allow it to desktop apps in Settings > Privacy & security > Microphone; unmute it in System > Sound >"
    f" Input; {OTHER}",
    "linux": f"unmute it in pavucontrol (Input Devices) or alsamixer (F4); connect it; {OTHER}",
}


def remedy_for_silence(platform: str = sys.platform) -> str:
    """What to do about it on a system, named as by `sys.platform`."""
    return REMEDIES.get(platform, f"unmute it; allow it to this program; {OTHER}")


@dataclass(frozen=True, slots=True)
class MicrophoneStatistics:
    """Of a real microphone; without one, all is 0."""

    silences: int = 0
    """Times that it gave nothing but exact zeros for a second or more."""
    silent_seconds: float = 0.0
    """How long these were together."""


class Microphone:
    """Tells when it gives nothing for long, and when it gives something again."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        self._silent_from: float | None = None
        self._told_from: float | None = None  # a silence that was told, and its end not yet
        self._silences = 0
        self._silent_seconds = 0.0  # of silences that are over
        self._until = 0.0
        self._since = -inf

    def begin(self, at: float) -> None:
        """It is another one from then on: what the one before gave does not count."""
        if self._silent_from is not None:
            self._silent_seconds += self._until - self._silent_from
            self._silent_from = None
        self._since = at

    def changed(self, at: float) -> None:
        """It is another one from then on, which returns what the one before did not give, if that was so."""
        if self._silent_from is None:
            self._since = at

    def look(self, until: float, zero_seconds: float) -> None:
        """It was heard until then, and gave exact zeros for so long at the end of it."""
        self._until = until
        zero_seconds = min(zero_seconds, until - self._since)
        if zero_seconds >= SILENT_SECONDS:
            if self._silent_from is None:
                self._silent_from = self._told_from = until - zero_seconds
                self._silences += 1
                self._tell(MicrophoneSilent(remedy_for_silence(), at=self._silent_from))
        elif self._told_from is not None and zero_seconds < until - self._since:
            at = until - zero_seconds
            if self._silent_from is not None:
                self._silent_seconds += at - self._silent_from
            self._tell(MicrophoneReturned(at - self._told_from, at=at))
            self._silent_from = self._told_from = None

    def statistics(self) -> MicrophoneStatistics:
        lasting = 0.0 if self._silent_from is None else self._until - self._silent_from
        return MicrophoneStatistics(self._silences, self._silent_seconds + lasting)
