"""The page in a real browser, before the app and a simulator that run in a thread beside it."""

import base64
import shutil
import threading
import wave
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import hypercorn.config
import hypercorn.trio
import numpy as np
import pytest
import trio
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

import sfclient
from sfaudio import Resampler
from sfclient.simulator import Agent, SimulatedCall, Simulator, open_simulator
from website import Rate, website

from ...sfclient.conftest import NUMBERS

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HELLO = Path(sfclient.__file__).parent / "_assets" / "hello.wav"
KEY = "a-key-that-no-browser-may-see"
RATE = 48_000  # of the microphone
OPTIONS = (
    "--no-sandbox",  # as root
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=user-gesture-required",
    "--host-resolver-rules=MAP site.test 127.0.0.1",  # another name than those that are secure
)

# Wraps what the page uses, before it does. What it sends and what it plays is kept; the browser's own processing of the
# voice, which would change every sample, is turned off.
TAP = """
const told = (globalThis.told = { sent: [], played: [], rate: 0 });
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (message) {
  if (typeof message !== "string") told.sent.push(message.slice());
  return send.call(this, message);
};
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (node, ...more) {
  if (node === this.context.destination && this.numberOfInputs === 0) {
    told.rate = this.context.sampleRate;
    this.context.audioWorklet.addModule("/tap.js").then(() => {
      const tap = new AudioWorkletNode(this.context, "tap", { numberOfOutputs: 0 });
      tap.port.onmessage = ({ data }) => told.played.push(data);
      connect.call(this, tap);
    });
  }
  return connect.call(this, node, ...more);
};
const open = MediaDevices.prototype.getUserMedia;
MediaDevices.prototype.getUserMedia = function () {
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
  return open.call(this, { audio });
};
globalThis.joined = async (pieces) => {
  const url = URL.createObjectURL(new Blob(pieces));
  const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
  URL.revokeObjectURL(url);
  let text = "";
  for (let at = 0; at < bytes.length; at += 1 << 15) text += String.fromCharCode(...bytes.subarray(at, at + (1 << 15)));
  return btoa(text);
};
"""
TAP_WORKLET = """
registerProcessor("tap", class extends AudioWorkletProcessor {
  process([[sound]]) {
    if (sound) this.port.postMessage(sound.slice());
    return true;
  }
});
"""


def speech(seconds: float, samplerate: int) -> bytes:
    """The greeting again and again, with pauses of different lengths, over a hum: it is nowhere silent."""
    with wave.open(str(HELLO)) as file:
        said = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        rate = file.getframerate()
    pieces, frames = [], 0
    for count in range(int(seconds)):
        if frames >= seconds * rate:
            break
        pieces += [said, np.zeros(rate * (3 + count) // 10, np.int16)]
        frames += sum(map(len, pieces[-2:]))
    sound = np.concatenate(pieces)[: round(seconds * rate)].astype(float)
    sound += 400 * np.sin(np.arange(len(sound)) * 2 * np.pi * 140 / rate)
    return Resampler(rate, samplerate).process(sound.astype(np.int16)).tobytes()


@pytest.fixture(scope="session")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's microphone hears, for a little more than a minute."""
    path = tmp_path_factory.mktemp("microphone") / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(speech(70, RATE))
    return path


@pytest.fixture(scope="module")
def browser(microphone: Path) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert executable is not None, f"no browser is here: install one of {', '.join(BROWSERS)}"
    with playwright.sync_playwright() as driver:
        options = [*OPTIONS, f"--use-file-for-fake-audio-capture={microphone}%noloop"]
        browser = driver.chromium.launch(executable_path=executable, args=options)
        yield browser
        browser.close()


def with_tap(app: ASGIApp) -> ASGIApp:
    """The app, and one file more. (Playwright does not see what worklets load.)"""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        is_tap = scope.get("path") == "/tap.js"
        tap = Response(TAP_WORKLET, media_type="text/javascript")
        await (tap if is_tap else app)(scope, receive, send)

    return answer


async def listen(call: SimulatedCall) -> None:
    """An agent that only listens, until the caller hangs up."""
    await call.wait_ended()


class Site:
    """The website and the service behind it, as long as both run."""

    def __init__(self, url: str, simulator: Simulator) -> None:
        self.url = url
        self.simulator = simulator
        self.stop = trio.Event()
        self._token = trio.lowlevel.current_trio_token()

    def do(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """In its thread; what it gives, or what comes of what it gives."""

        async def run() -> Any:
            with trio.fail_after(30):
                result = function(*arguments)
                return await result if hasattr(result, "__await__") else result

        return trio.from_thread.run(run, trio_token=self._token)

    def call(self) -> SimulatedCall:
        """The call, as its agent knows it."""
        call: SimulatedCall = self.do(self.simulator.wait_call)
        return call


@contextmanager
def open_site(
    agent: Agent, dialect: str = "widget", *, serve: Mapping[str, Any] | None = None, **options: Any
) -> Iterator[Site]:
    """`serve` goes to `open_simulator`, `options` to `website`."""
    numbers = NUMBERS if dialect == "ws-media" else {}
    order = {
        "api_key": KEY,
        "each_visitor": Rate(1000, 60),
        "dialect": dialect,
        **numbers,
        **options,
    }
    opened: list[Site] = []
    is_open = threading.Event()

    async def main() -> None:
        config = hypercorn.config.Config()
        config.bind = ["127.0.0.1:0"]
        config.errorlog = None
        async with (
            open_simulator(agent, key=KEY, **serve or {}) as simulator,
            trio.open_nursery() as nursery,
        ):
            order.setdefault("base_url", simulator.base_url)
            app = website("agent", **order)
            wait = trio.Event()
            serve_app = partial(
                hypercorn.trio.serve, with_tap(app), config, shutdown_trigger=wait.wait
            )
            (url,) = await nursery.start(serve_app)
            site = Site(url, simulator)
            opened.append(site)
            is_open.set()
            await site.stop.wait()
            wait.set()
            nursery.cancel_scope.cancel()

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    try:
        while not is_open.wait(0.05):
            assert thread.is_alive()
        yield opened[0]
    finally:
        if opened:
            opened[0].do(opened[0].stop.set)
        thread.join(30)


class Visit:
    """A page in a browser, and all that this browser was told."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.told: list[str] = []
        """By any server, by the page's programs, by the browser itself."""
        page.on("console", lambda message: self.told.append(message.text))
        page.on("pageerror", lambda error: self.told.append(f"{error}"))
        page.on("request", lambda request: self.told.append(f"{request.url} {request.headers}"))
        page.on("response", self._keep)
        page.on("websocket", self._listen)
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"{error}"))
        page.on(
            "console",
            lambda message: message.type == "error" and self.faults.append(message.text),
        )

    def _keep(self, response: Any) -> None:
        self.told.append(f"{response.url} {response.headers}")
        self.told.append(response.text())

    def _listen(self, socket: Any) -> None:
        self.told.append(socket.url)
        for event in ("framesent", "framereceived"):
            socket.on(event, lambda frame: isinstance(frame, str) and self.told.append(frame))

    def begin(self, url: str) -> None:
        self.page.goto(f"{url}/")
        self.page.click("#begin")

    def sees(self, words: str, seconds: float = 20) -> None:
        self.page.get_by_text(words, exact=True).first.wait_for(timeout=seconds * 1000)

    def bytes(self, what: str) -> bytes:
        """What was kept of the page's sound."""
        return base64.b64decode(self.page.evaluate(f"joined(told.{what})"))

    def figures(self) -> dict[str, str]:
        texts = self.page.locator("#figures > *").all_inner_texts()
        return dict(zip(texts[::2], texts[1::2], strict=True))


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    with ExitStack() as stack:

        def visit(*, tap: bool = False, script: str = "", **options: Any) -> Visit:
            context = browser.new_context(**{"permissions": ["microphone"], **options})
            stack.callback(context.close)
            page = context.new_page()
            page.add_init_script((TAP if tap else "") + script)
            return Visit(page)

        yield visit
