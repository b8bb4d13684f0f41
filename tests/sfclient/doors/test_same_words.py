"""Every door takes the same, has the same names, and refuses in the same words."""

import inspect
import ssl

import pytest

import sfclient
from sfclient import Audio, SfclientError

from .doors import TrioDoor

FUNCTIONS = ["open_call", "request_session", "request_result"]
OF_BLOCKING_ALONE = {"events"}

URL = "ws://127.0.0.1:1/"
NONE = Audio("none", "none")
UNVERIFIED = ssl.create_default_context()
UNVERIFIED.check_hostname = False
UNVERIFIED.verify_mode = ssl.CERT_NONE
REFUSED_CALLS = {
    "no session": (None, NONE, {}),
    "unknown dialect": (URL, NONE, {"dialect": "klingon"}),
    "no start_call": (URL, NONE, {"dialect": "ws-media"}),
    "long chunks": (URL, NONE, {"chunk_seconds": 7}),
    "unknown policy": (URL, NONE, {"playout": "loud"}),
    "no time": (URL, NONE, {"max_seconds": -1}),
    "no silence": (URL, NONE, {"silence_seconds": float("nan")}),
    "unknown echo": (URL, Audio("none", "none", echo="loud"), {}),
    "no URL": ("a session", NONE, {}),
    "plain": ("ws://sfclient.invalid/", NONE, {}),
    "unverified": ("wss://127.0.0.1:1/", NONE, {"ssl_context": UNVERIFIED}),
    "nobody there": (URL, NONE, {}),
    "missing file": (URL, Audio("missing.flac", "none"), {}),
    "missing folder": (URL, NONE, {"record": "missing/both.wav"}),
    "missing device": (URL, Audio("no such device"), {}),
}
REFUSED_REQUESTS = {
    "no agent": (" ", {"api_key": "key"}),
    "no key": ("agent", {"api_key": ""}),
    "unknown dialect": ("agent", {"api_key": "key", "dialect": "klingon"}),
    "option of another dialect": ("agent", {"api_key": "key", "codec": "pcmu"}),
    "plain": ("agent", {"api_key": "key", "base_url": "http://sfclient.invalid"}),
    "nobody there": ("agent", {"api_key": "key", "base_url": "http://127.0.0.1:1"}),
}

other_doors = pytest.mark.parametrize("door", ["asyncio", "blocking"], indirect=True)


@pytest.mark.parametrize("name", FUNCTIONS)
@other_doors
def test_a_door_takes_what_trio_s_takes(door, name):
    def parameters(module):
        signature = inspect.signature(getattr(module, name))
        return [(each.name, each.kind, each.default) for each in signature.parameters.values()]

    assert parameters(door.module) == parameters(sfclient)


@other_doors
def test_a_call_has_the_names_of_trio_s(door):
    def names(of_class):
        return {name for name in dir(of_class) if not name.startswith("_")}

    extra = OF_BLOCKING_ALONE if door.name == "blocking" else set()
    assert names(door.module.Call) == names(sfclient.Call) | extra


@other_doors
def test_each_refusal_is_worded_as_trio_words_it(door, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusals(door) == refusals(TrioDoor())


def refusals(door: TrioDoor) -> dict[str, tuple[type, str]]:
    told = {}

    async def be_refused() -> None:
        for name, (session, audio, options) in REFUSED_CALLS.items():
            try:
                async with door.open_call(session, audio, **options):
                    pass
            except SfclientError as error:
                told[name] = type(error), str(error)
        for name, (agent, options) in REFUSED_REQUESTS.items():
            try:
                await door.request_session(agent, **options)
            except SfclientError as error:
                told[f"request, {name}"] = type(error), str(error)

    door.run(be_refused)
    assert len(told) == len(REFUSED_CALLS) + len(REFUSED_REQUESTS)
    return told
