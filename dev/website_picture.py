"""The website's page in a call with a simulator, as a picture. Run by `python3 dev.py pictures`."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from playwright.sync_api import ViewportSize, sync_playwright

from dev.processes import ROOT, in_venv
from dev.system import browser

SPEECH = ROOT / "src" / "sfclient" / "_assets" / "hello.wav"
SIZE: ViewportSize = {"width": 480, "height": 600}
TALKED_SECONDS = 4.0  # until both sides have said something
START_SECONDS = 20.0


def main() -> None:
    (picture,) = sys.argv[1:]
    service, site = free_ports(2)
    agent = ("--agent", str(SPEECH))
    environment = {
        "SYNTHFLOW_BASE_URL": f"http://127.0.0.1:{service}",
        "SYNTHFLOW_API_KEY": "simulator-key",
        "SYNTHFLOW_AGENT_ID": "agent",
    }
    with ExitStack() as stack:
        stack.enter_context(running("sfclient", "simulator", "--port", f"{service}", *agent))
        stack.enter_context(
            running(
                *("hypercorn", "--worker-class", "trio", "--bind", f"127.0.0.1:{site}"),
                "website.main:app",
                **environment,
            )
        )
        for port in (service, site):
            wait_for(port)
        take(picture, f"http://127.0.0.1:{site}/")


def take(picture: str, url: str) -> None:
    options = (
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={SPEECH}",
    )
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser(), args=[*options])
        page = chromium.new_page(viewport=SIZE, permissions=["microphone"], device_scale_factor=2)
        page.goto(url)
        page.click("#begin")
        page.get_by_text("Connected to call").wait_for()
        page.wait_for_timeout(1000 * TALKED_SECONDS)
        page.screenshot(path=picture)
        chromium.close()


@contextmanager
def running(program: str, *arguments: str, **environment: str) -> Iterator[None]:
    command = [f"{in_venv(program)}", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT / "examples", env=os.environ | environment, stdout=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        listening = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [one.getsockname()[1] for one in listening]


def wait_for(port: int) -> None:
    """Until HTTP is spoken there. (A connection is no proof: to a free port it may come to itself.)"""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", "/")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            connection.close()
            return


if __name__ == "__main__":
    main()
