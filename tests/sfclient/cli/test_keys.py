"""What the keys of the live screen do to a call."""

from types import SimpleNamespace
from typing import cast

import pytest

from sfclient import Call, DeviceError
from sfclient.cli import _keys
from sfclient.cli._keys import Inputs, make_keys, shown

DEVICES = [
    SimpleNamespace(index=index, input_channels=inputs, is_default_input=index == 2)
    for index, inputs in enumerate((1, 0, 2, 1))
]


class FakeCall:
    """What keys ask of a call."""

    def __init__(self) -> None:
        self.muted = False
        self.flushed = 0
        self.inputs: list[int] = []

    def mute(self, muted: bool) -> None:
        self.muted = muted

    def flush(self) -> None:
        self.flushed += 1

    async def use_input(self, device: int) -> None:
        self.inputs.append(device)


async def press(letters: str, call: FakeCall, keys: list[_keys.Key]) -> None:
    acts = {key.letter: key.act for key in keys}
    for letter in letters:
        await acts[letter](cast(Call, call))


async def test_mute_and_interrupt() -> None:
    call, keys = FakeCall(), make_keys(False)
    await press("mi", call, keys)
    assert (call.muted, call.flushed) == (True, 1)
    assert ("m", "unmute") in shown(keys, cast(Call, call))
    await press("m", call, keys)
    assert not call.muted
    assert shown(keys, cast(Call, call)) == (("m", "mute"), ("i", "interrupt"), ("q", "hang up"))


async def test_inputs_come_one_after_the_other_from_the_default_one_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_keys, "list_devices", lambda: DEVICES)
    call = FakeCall()
    await press("dddd", call, make_keys(True))
    assert call.inputs == [3, 0, 2, 3]


async def test_without_another_input_what_to_do_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for none_or_one in ([], DEVICES[1:3]):
        monkeypatch.setattr(_keys, "list_devices", lambda found=none_or_one: found)
        with pytest.raises(DeviceError, match="plug one in"):
            await Inputs().next(cast(Call, FakeCall()))
