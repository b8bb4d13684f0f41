"""A private, real JACK server: the sound hardware of machines that have none.

Its dummy driver calls back every 10 ms, in real time. PortAudio looks for the server when it
starts, through the environment, so the program under test runs in a process of its own with
``env=jack.env``. Its first streams have the ports ``PortAudio:in_0`` (the microphone) and
``PortAudio:out_0`` (the loudspeaker), from when they are opened, and sound from when they start.

End that process before the fixture ends: PortAudio never returns from closing a stream whose
JACK server has gone.
"""

import itertools
import os
import signal
import subprocess
import tempfile
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SAMPLERATE = 48000
BLOCKSIZE = 480
START_TIMEOUT = 10.0

serial = itertools.count()


@contextmanager
def running(*command: str, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is gone when the block is left, whatever happens inside."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, env=env) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


class Jack:
    """The door to one running server; ``env`` is what a process needs to find it and no other."""

    pid: int
    """Of the server."""

    def __init__(self, server: str) -> None:
        self.env = {
            **os.environ,
            "JACK_DEFAULT_SERVER": server,
            "JACK_NO_START_SERVER": "1",
            "JACK_NO_AUDIO_RESERVATION": "1",
        }

    def ports(self) -> list[str]:
        """The ports of all clients; none while the server does not answer."""
        answer = subprocess.run(
            ["jack_lsp"], env=self.env, capture_output=True, text=True, timeout=START_TIMEOUT
        )
        return answer.stdout.splitlines() if answer.returncode == 0 else []

    def wait_port(self, name: str, timeout: float = START_TIMEOUT) -> None:
        """Return as soon as the port is there."""
        deadline = time.monotonic() + timeout
        while name not in (ports := self.ports()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no JACK port {name} after {timeout} s, only {ports}")
            time.sleep(0.05)

    def connect(self, source: str, destination: str) -> None:
        """Wire an output port to an input port."""
        subprocess.run(["jack_connect", source, destination], env=self.env, check=True)

    def play(self, path: Path, port: str) -> None:
        """Play a mono WAV file into an input port, and return when it has been played.

        The player brings the file to the server's rate.
        """
        with (
            tempfile.NamedTemporaryFile(suffix=".wav") as padded,
            wave.open(str(path)) as original,
            wave.open(padded, "wb") as copy,
        ):
            copy.setparams(original.getparams())
            copy.writeframes(original.readframes(original.getnframes()))
            # jack-play leaves when it has read the file, with up to 4096 frames still unplayed.
            copy.writeframes(bytes(original.getsampwidth() * 8192))
            padded.flush()
            # It wires itself before it plays, so that the beginning is heard as well.
            env = self.env | {"JACK_PLAY_CONNECT_TO": port}
            with running("jack-play", padded.name, env=env) as player:
                seconds = original.getnframes() / original.getframerate()
                if player.wait(seconds + START_TIMEOUT) != 0:
                    raise ChildProcessError(f"jack-play exited with {player.returncode}")

    @contextmanager
    def record(self, port: str, path: Path) -> Iterator[None]:
        """Record an output port while the block runs; then ``path`` is a complete 16-bit WAV."""
        wav_pcm16 = "0x10002"
        command = ("jack-record", "-n", "1", "-f", wav_pcm16, str(path))
        with running(*command, env=self.env) as recorder:
            own_port = f"jack-record-{recorder.pid}:in_1"
            self.wait_port(own_port)
            self.connect(port, own_port)
            yield
            time.sleep(0.2)  # What is on its way through the recorder's own buffer.


@pytest.fixture
def jack(request: pytest.FixtureRequest) -> Iterator[Jack]:
    """At 48 kHz with a microphone, or as its parameter says: a rate, or ``{"inputs": 0}``."""
    asked = getattr(request, "param", SAMPLERATE)
    inputs, samplerate = (asked["inputs"], SAMPLERATE) if isinstance(asked, dict) else (1, asked)
    jack = Jack(f"sfaudio-{os.getpid()}-{next(serial)}")
    server = ("jackd", "-n", jack.env["JACK_DEFAULT_SERVER"])
    driver = ("-d", "dummy", "-r", str(samplerate), "-p", str(BLOCKSIZE))
    ports = ("-C", str(inputs), "-P", "1")
    try:
        with running(*server, *driver, *ports, env=jack.env) as process:
            jack.pid = process.pid
            jack.wait_port("system:playback_1")
            yield jack
    except FileNotFoundError as error:
        pytest.fail(f"{error.filename} is missing: install jackd2, jack-tools and libportaudio2")
