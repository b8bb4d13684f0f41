"""What PortAudio has open: each stream is closed once, and nothing that its callback needs goes before it."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sfaudio._callback import StreamCallback

CLOSE_SECONDS = 2.0  # for PortAudio to close a stream; it never does when the sound server has died
DEAD_SECONDS = 1.5  # without a callback, after which closing at exit is not tried

HANG_SECONDS = 10.0  # for PortAudio to open a stream, or to look for devices: it takes one at most

# What PortAudio has open, whatever becomes of the `Stream`: a callback may run until it is closed.
_opened: set[Opened] = set()

# Held while PortAudio opens, starts or closes a stream, or looks for devices: it is not thread-safe, and two streams of
# a JACK server that are closed at the same time hang for good. A thread that hangs keeps it.
_portaudio = threading.Lock()


def is_any_hung() -> bool:
    """Whether the PortAudio in use has not closed a stream in time, nor since then."""
    return any(opened.is_given_up for opened in _opened.copy())


def leave_behind() -> None:
    """Another PortAudio is used from now on: that the one before it closes what hangs there is awaited no more."""
    global _portaudio
    _portaudio = threading.Lock()
    for opened in _opened.copy():
        if opened.is_given_up:
            _opened.discard(opened)


@contextmanager
def exclusively() -> Iterator[bool]:
    """While PortAudio opens a stream, or is initialised anew. Yields whether a stream is open.

    Raises TimeoutError when it does not come back from what it does for another thread.
    """
    lock = _portaudio
    if not lock.acquire(timeout=HANG_SECONDS):
        raise TimeoutError(
            "PortAudio does not come back from opening or closing a device, or from looking for devices: its sound"
            " server has probably stopped or died. Start that anew, and the program"
        )
    try:
        # Behind sounddevice's own, so that it runs before that; once.
        atexit.unregister(_close_all)
        atexit.register(_close_all)
        yield bool(_opened)
    finally:
        lock.release()


class Opened:
    """A stream as PortAudio has it, from when it is opened until it is closed.

    PortAudio frees a stream when it closes it, so no other call may be under way then.
    """

    def __init__(self, stream: Any, callback: StreamCallback, *, of_jack: bool) -> None:
        self._stream = stream
        self._callback = callback
        self._is_of_jack = of_jack
        self._calling = threading.Lock()
        self._closer = threading.Lock()  # taken for good by the one who closes it
        self._closed = threading.Event()
        self._was_started = False
        self.is_given_up = False
        """Whether PortAudio did not close it in time."""
        self.portaudio = _portaudio
        """The lock of the one that has opened it."""
        _opened.add(self)

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    @property
    def is_closing(self) -> bool:
        return self._closer.locked() and not self.is_closed

    def start(self) -> None:
        with self._calling:
            if self._closer.locked():
                raise RuntimeError("the stream is closed: open another one")
            with self.portaudio:
                self._stream.start()
            self._was_started = True

    def is_active(self) -> bool:
        """False while PortAudio does not come back from starting or closing it."""
        if self._closer.locked() or not self._calling.acquire(timeout=CLOSE_SECONDS):
            return False
        try:
            return not self._closer.locked() and bool(self._stream.active)
        except sys.modules["sounddevice"].PortAudioError:
            return True  # another PortAudio takes the place of its own, and is not initialised yet
        finally:
            self._calling.release()

    def close(self) -> bool:
        """Returns whether it is closed, after `CLOSE_SECONDS` at the latest."""
        if not self._closer.locked():
            try:
                threading.Thread(target=self._close, name="close", daemon=True).start()
            except RuntimeError:  # the interpreter ends, and starts no more threads
                self._close()
        self.is_given_up = not self._closed.wait(CLOSE_SECONDS)
        if self.is_given_up and self.portaudio is not _portaudio:
            _opened.discard(self)
        return not self.is_given_up

    def close_at_exit(self) -> None:
        """When no more threads can be started: at once, or not at all if PortAudio would not come back."""
        if (
            self._was_started
            and not self._closer.locked()
            and not self.portaudio.locked()
            and self._calls_back()
        ):
            self._close()
        self._callback.detach()
        self._closer.acquire(blocking=False)  # whoever comes later lets it alone

    def _calls_back(self) -> bool:
        """Whether it does so once more. A stream whose server has died does not, and cannot be closed."""
        until = time.monotonic() + DEAD_SECONDS
        callbacks = self._callback.statistics().callbacks
        while self._callback.statistics().callbacks == callbacks:
            if time.monotonic() > until:
                return False
            time.sleep(0.002)
        return True

    def _close(self) -> None:
        if not self._closer.acquire(blocking=False):
            return  # another thread does it
        self._callback.detach()  # so that others need not wait for PortAudio
        with self._calling:
            if self._is_of_jack and self._was_started and not self._calls_back():
                return  # its server has died: PortAudio would hang, or end the process by an assert (pa_jack.c)
            with self.portaudio, suppress(sys.modules["sounddevice"].PortAudioError):
                self._stream.close(ignore_errors=False)
                self._callback.close()  # unless it may still be called back
        _opened.discard(self)
        self._closed.set()

    def disown(self) -> None:
        """In a forked child: the stream is the parent's, and no thread of this process calls back."""
        self._calling = threading.Lock()
        self.portaudio = threading.Lock()
        self._closer = threading.Lock()
        self._closer.acquire()
        self._closed = threading.Event()
        self._closed.set()
        self._callback.close()


def _close_all() -> None:
    """At exit. What PortAudio does not close is left to it."""
    for opened in _opened.copy():
        opened.close_at_exit()
    _leave_portaudio_alone()


def _disown_all() -> None:
    """In a forked child."""
    global _portaudio
    _leave_portaudio_alone()
    _portaudio = threading.Lock()
    for opened in _opened:
        opened.disown()
    _opened.clear()


def _leave_portaudio_alone() -> None:
    """If it has a stream open, or is opening one: sounddevice would end it at exit, and it would hang, or crash."""
    if _opened or _portaudio.locked():
        sys.modules["sounddevice"]._initialized = 0  # type: ignore[attr-defined]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)
