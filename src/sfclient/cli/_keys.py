"""What can be pressed on the live screen while a call lasts."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from sfclient._devices import list_devices
from sfclient._errors import DeviceError
from sfclient._interface import Call
from sfclient._spool import in_thread

HANG_UP, MUTE, INTERRUPT, NEXT_INPUT = "q", "m", "i", "d"


class Key(NamedTuple):
    letter: str
    word: str
    """What it does, as the screen calls it."""
    act: Callable[[Call], Awaitable[None]]
    """Does it; raises an `SfclientError` where it cannot be done."""


async def mute(call: Call) -> None:
    """Or the other way round."""
    call.mute(not call.muted)


async def interrupt(call: Call) -> None:
    """The agent, who is silent at once."""
    call.flush()


class Inputs:
    """The devices that record, one after the other."""

    def __init__(self) -> None:
        self._index: int | None = None

    async def next(self, call: Call) -> None:
        """Record from the one that follows in the list; at first, from the one that follows the default one."""
        found = [each for each in await in_thread(list_devices) if each.input_channels]
        if not found:
            raise DeviceError("there is no input device: plug one in")
        indices = [each.index for each in found]
        default = next((each.index for each in found if each.is_default_input), None)
        now = self._index if self._index in indices else default
        if indices == [now]:
            raise DeviceError("there is no other input device: plug one in")
        self._index = (
            indices[(indices.index(now) + 1) % len(indices)] if now in indices else indices[0]
        )
        await call.use_input(self._index)


def make_keys(is_device: bool) -> list[Key]:
    """Those of a call; its input may be a device."""
    keys = [Key(MUTE, "mute", mute), Key(INTERRUPT, "interrupt", interrupt)]
    return [*keys, Key(NEXT_INPUT, "next input", Inputs().next)] if is_device else keys


def shown(keys: list[Key], call: Call | None) -> tuple[tuple[str, str], ...]:
    """What can be pressed now, as the screen calls it: before there is a call, it can only be given up."""
    if call is None:
        return ((HANG_UP, "give up"),)
    words = [
        (key.letter, "unmute" if key.letter == MUTE and call.muted else key.word) for key in keys
    ]
    return (*words, (HANG_UP, "hang up"))
