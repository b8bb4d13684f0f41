"""What a visitor is told when something is wrong, and that the call goes on if it can."""

import socket
from collections.abc import Callable

import numpy as np
import pytest

from sfclient.simulator import SimulatedCall
from website import Rate

from .conftest import KEY, Visit, listen, open_site, speech

pytestmark = pytest.mark.browser

Visiting = Callable[..., Visit]
REJECTS = """
MediaDevices.prototype.getUserMedia = () => Promise.reject(new DOMException("no", NAME));
"""
# What a browser that wants a click does: Safari, or Firefox that was told to.
HOLDS_BACK = """
const resume = AudioContext.prototype.resume;
let asked = 0;
AudioContext.prototype.resume = function () {
  return asked++ ? resume.call(this) : this.suspend();
};
"""
SILENT = """
MediaDevices.prototype.getUserMedia = async () => new AudioContext().createMediaStreamDestination().stream;
"""
KEEPS_CONTEXT = """
const Context = AudioContext;
globalThis.AudioContext = class extends Context {
  constructor(options) {
    super(options);
    globalThis.context = this;
  }
};
"""
KEEPS_TRACKS = """
const open = MediaDevices.prototype.getUserMedia;
globalThis.tracks = [];
MediaDevices.prototype.getUserMedia = async function (wanted) {
  const stream = await open.call(this, wanted);
  tracks.push(...stream.getAudioTracks());
  return stream;
};
"""

MUTED = """
Object.defineProperty(tracks[0], "muted", { value: MUTED, configurable: true });
(tracks[0].muted ? tracks[0].onmute : tracks[0].onunmute)();
"""
COUNTS_LOCKS = """
globalThis.locks = 0;
const request = async () => {
  await new Promise((resolve) => setTimeout(resolve, 300));
  locks++;
  return { release: async () => locks-- };
};
Object.defineProperty(navigator, "wakeLock", { value: { request } });
"""


def test_a_microphone_that_is_refused_costs_no_session(visit: Visiting) -> None:
    with open_site(listen) as site:
        visitor = visit(permissions=[])
        visitor.begin(site.url)
        visitor.sees("The microphone was refused.")
        visitor.sees("Not connected")
        assert not site.simulator.requests


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotReadableError", "The microphone is in use."),
        ("NotFoundError", "There is no microphone."),
        ("UnknownError", "The microphone could not be opened."),
    ],
)
def test_why_there_is_no_microphone_is_told(visit: Visiting, name: str, words: str) -> None:
    with open_site(listen) as site:
        visitor = visit(script=REJECTS.replace("NAME", f'"{name}"'))
        visitor.begin(site.url)
        visitor.sees(words)


def test_a_page_without_https_says_so(visit: Visiting) -> None:
    with open_site(listen) as site:
        visitor = visit()
        visitor.begin(site.url.replace("127.0.0.1", "site.test"))
        visitor.sees("This page was not opened by https.")


@pytest.mark.parametrize("dialect", ["widget", "ws-media"])
def test_a_network_that_is_cut_is_told(visit: Visiting, dialect: str) -> None:
    with open_site(listen, dialect) as site:
        visitor = visit()
        visitor.begin(site.url)
        visitor.sees("Connected to call")
        site.do(site.call().reset)
        visitor.sees("The network was lost.")
        visitor.sees("Disconnected from server")
        visitor.page.click("#begin")  # and the next call is one as well
        visitor.sees("Connected to call")


def test_who_calls_too_often_is_told_when_to_come_again(visit: Visiting) -> None:
    with open_site(listen, each_visitor=Rate(1, 60)) as site:
        visitor = visit()
        visitor.begin(site.url)
        visitor.sees("Connected to call")
        visitor.page.click("#end")
        visitor.sees("You hung up.")
        visitor.page.click("#begin")
        visitor.sees("Too many calls were asked for.")
        assert "Call again in " in visitor.page.inner_text("#problem")


def test_an_agent_that_hangs_up_is_heard_to_its_last_word(visit: Visiting) -> None:
    said = speech(3, 16_000)

    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(said)

    with open_site(agent) as site:
        visitor = visit(tap=True)
        visitor.begin(site.url)
        visitor.sees("The agent hung up.")
        played = np.frombuffer(visitor.bytes("played"), "<f4")
        sounding = np.flatnonzero(np.abs(played) > 1e-4)
        rate = visitor.page.evaluate("told.rate")
        assert sounding[-1] - sounding[0] == pytest.approx(3 * rate, abs=0.01 * rate)


def test_a_service_that_is_down_is_told(visit: Visiting) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with open_site(listen, base_url=f"http://127.0.0.1:{port}") as site:
        visitor = visit()
        visitor.begin(site.url)
        visitor.sees("The service is not available right now.")


def test_a_key_that_is_refused_is_the_owners_business(visit: Visiting) -> None:
    with open_site(listen, api_key="another-key") as site:
        visitor = visit()
        visitor.begin(site.url)
        visitor.sees("Calls are not available right now.")
        assert "key" not in visitor.page.inner_text("main")
        assert not [told for told in visitor.told if KEY in told or "another-key" in told]


def test_a_website_that_cannot_be_reached_is_told(visit: Visiting) -> None:
    with open_site(listen) as site:
        visitor = visit()
        visitor.page.goto(f"{site.url}/")
        visitor.page.route("**/session", lambda route: route.abort())
        visitor.page.click("#begin")
        visitor.sees("This website cannot be reached.")


def test_a_browser_that_holds_the_sound_back_is_clicked_on(visit: Visiting) -> None:
    with open_site(listen) as site:
        visitor = visit(script=HOLDS_BACK)
        visitor.begin(site.url)
        visitor.sees("Your browser holds the sound back.")
        call = site.call()
        assert call.received_audio == b""
        visitor.page.click("text=Turn the sound on")
        site.do(call.client_ready)
        visitor.page.wait_for_selector("#notice-suspended", state="detached")
        assert call.received_audio


def test_a_microphone_that_gives_only_silence_is_told(visit: Visiting) -> None:
    with open_site(listen) as site:
        visitor = visit(script=SILENT)
        visitor.begin(site.url)
        visitor.sees("Your microphone gives only silence.")
        visitor.sees("Connected to call")


def test_a_microphone_that_is_unplugged_is_replaced(visit: Visiting) -> None:
    with open_site(listen) as site:
        visitor = visit(script=KEEPS_TRACKS)
        visitor.begin(site.url)
        visitor.sees("Connected to call")
        visitor.page.evaluate("tracks[0].stop(); tracks[0].onended()")
        visitor.sees("Your microphone was disconnected.")
        call = site.call()
        before = len(call.received_audio)
        visitor.page.wait_for_timeout(1500)
        assert np.frombuffer(call.received_audio[before:], "<i2").any()
        assert visitor.page.evaluate("tracks.length") == 2


def test_a_microphone_that_the_system_mutes_is_told_until_it_is_back(visit: Visiting) -> None:
    with open_site(listen) as site:
        visitor = visit(script=KEEPS_TRACKS)
        visitor.begin(site.url)
        visitor.sees("Connected to call")
        visitor.page.evaluate(MUTED.replace("MUTED", "true"))
        visitor.sees("Your microphone was muted by the system.")
        visitor.page.evaluate(MUTED.replace("MUTED", "false"))
        visitor.page.wait_for_selector("#notice-microphone-muted", state="detached")


def test_a_browser_that_paused_the_sound_is_told_of(visit: Visiting) -> None:
    """As phones do with a page in the background."""
    with open_site(listen) as site:
        visitor = visit(script=KEEPS_CONTEXT)
        visitor.begin(site.url)
        visitor.sees("Connected to call")
        visitor.page.wait_for_timeout(1500)
        visitor.page.evaluate("context.suspend()")
        visitor.sees("Your browser holds the sound back.")
        visitor.page.wait_for_timeout(2000)
        visitor.page.evaluate("context.resume()")
        visitor.sees("Your browser paused the sound.")
        assert visitor.page.locator("#notice-suspended").count() == 0


def test_a_network_that_is_gone_for_a_while_is_told_until_it_is_back(visit: Visiting) -> None:
    with open_site(listen) as site:
        visitor = visit()
        visitor.begin(site.url)
        visitor.sees("Connected to call")
        visitor.page.context.set_offline(True)
        visitor.sees("Your words do not get through.")
        visitor.page.context.set_offline(False)
        visitor.page.wait_for_selector("#notice-stalled", state="detached")
        visitor.sees("Connected to call")


def test_who_mutes_is_not_heard_and_is_heard_again(visit: Visiting) -> None:
    with open_site(listen) as site:
        visitor = visit()
        visitor.begin(site.url)
        visitor.sees("Connected to call")
        call = site.call()
        for muted in (True, False):
            visitor.page.click("#mute")
            visitor.page.wait_for_timeout(500)
            before = len(call.received_audio)
            visitor.page.wait_for_timeout(1000)
            heard = np.frombuffer(call.received_audio[before:], "<i2")
            assert len(heard) > 0.5 * 48_000  # at the same pace
            assert heard.any() != muted
        visitor.page.click("#end")
        visitor.sees("You hung up.")
        assert site.do(call.wait_ended).by == "client"


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_who_clicks_twice_begins_a_call_and_neither_ends_nor_mutes_it(
    visit: Visiting, share: float
) -> None:
    with open_site(listen) as site:
        visitor = visit()
        visitor.page.goto(f"{site.url}/")
        button = visitor.page.locator("#begin").bounding_box()
        visitor.page.mouse.dblclick(button["x"] + share * button["width"], button["y"] + 10)
        visitor.sees("Connected to call")
        assert visitor.page.get_attribute("#mute", "aria-pressed") == "false"


def test_who_holds_the_key_down_begins_a_call_and_does_not_end_it(visit: Visiting) -> None:
    with open_site(listen) as site:
        visitor = visit()
        visitor.page.goto(f"{site.url}/")
        visitor.page.focus("#begin")
        for _ in range(4):
            visitor.page.keyboard.down("Enter")
        visitor.page.keyboard.up("Enter")
        visitor.sees("Connected to call")
        visitor.page.keyboard.press("Enter")  # the focus is where it can be ended
        visitor.sees("You hung up.")


def test_the_screen_is_kept_on_while_a_call_lasts_and_no_longer(visit: Visiting) -> None:
    with open_site(listen) as site:
        visitor = visit(script=COUNTS_LOCKS)
        visitor.begin(site.url)
        visitor.sees("Connected to call")
        visitor.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        visitor.page.wait_for_timeout(800)
        assert visitor.page.evaluate("locks") == 1
        visitor.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        visitor.page.click("#end")  # before that one has come
        visitor.page.wait_for_timeout(800)
        assert visitor.page.evaluate("locks") == 0
