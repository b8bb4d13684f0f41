"""Programs that end without leaving a call, in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from textwrap import dedent

PATIENCE_SECONDS = 30
PRELUDE = """
import asyncio, atexit, os, signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from sfclient import *
from sfclient import aio, blocking

url = sys.argv[1]
audio = Audio(MemoryInput(), NullOutput())

def connected(call):
    for event in call:
        if isinstance(event, Connected):
            print("connected", flush=True)
            return

async def async_connected(call):
    async for event in call:
        if isinstance(event, Connected):
            print("connected", flush=True)
            return

def wait_until_alone():
    while any(thread.name == "sfclient trio" for thread in threading.enumerate()):
        time.sleep(0.01)
    print("alone", flush=True)
"""


@dataclass(frozen=True)
class Program:
    text: str
    status: int = 0
    told: str = ""
    """In the last line of its standard error."""
    printed: tuple[str, ...] = ("connected",)
    interrupt: bool = False
    """Ctrl-C when it is connected."""
    is_slow: bool = True
    """Tried with --slow alone; each takes the better part of a second."""


@dataclass(frozen=True)
class Done:
    status: int
    printed: list[str] = field(default_factory=list)
    told: str = ""


def run(text: str, url: str, interrupt: bool, interrupt_after: float = 0.0) -> Done:
    """Run it to its end; `subprocess.TimeoutExpired` if it hangs."""
    command = [
        sys.executable,
        "-X",
        "faulthandler",
        "-W",
        "error",
        "-c",
        PRELUDE + dedent(text),
        url,
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        try:
            first = ""
            if interrupt:
                first = process.stdout.readline()
                time.sleep(interrupt_after)
                process.send_signal(signal.SIGINT)
            printed, told = process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # which tells where each thread is
            raise AssertionError(f"it hangs: {process.communicate()[1]}") from None
    return Done(process.returncode, (first + printed).splitlines(), told.strip())


PROGRAMS = {
    "the main thread ends": Program(
        """
        manager = blocking.open_call(url, audio)
        call = manager.__enter__()
        connected(call)
        """,
        is_slow=False,
    ),
    "the program exits in the block": Program(
        """
        with blocking.open_call(url, audio) as call:
            connected(call)
            sys.exit(3)
        """,
        status=3,
    ),
    "a pool's thread holds the call": Program(
        """
        started = threading.Event()

        def hold():
            with blocking.open_call(url, audio) as call:
                connected(call)
                started.set()
                for event in call:
                    pass
            print("left, ended by the", call.ended.by, flush=True)

        ThreadPoolExecutor().submit(hold)
        started.wait()
        sys.exit(3)
        """,
        status=3,
        printed=("connected", "left, ended by the caller"),
        is_slow=False,
    ),
    "a daemon thread holds the call": Program(
        """
        started = threading.Event()

        def hold():
            with blocking.open_call(url, audio) as call:
                connected(call)
                started.set()
                for event in call:
                    pass

        threading.Thread(target=hold, daemon=True).start()
        started.wait()
        """
    ),
    "the main thread fails": Program(
        """
        manager = blocking.open_call(url, audio)
        connected(manager.__enter__())
        raise RuntimeError("a mistake")
        """,
        status=1,
        told="RuntimeError: a mistake",
    ),
    "a call is opened when the interpreter exits": Program(
        """
        def hold():
            with blocking.open_call(url, audio) as call:
                for event in call:
                    pass

        @atexit.register
        def last():
            try:
                hold()
            except Exception as error:
                print("refused", flush=True)
        """,
        printed=(),
    ),
    "Ctrl-C in a wait for an event": Program(
        """
        with blocking.open_call(url, audio) as call:
            connected(call)
            try:
                next(iter(call))
            finally:
                wait_until_alone() if call.ended else None
        """,
        status=-signal.SIGINT,
        told="KeyboardInterrupt",
        interrupt=True,
    ),
    "Ctrl-C in a wait for the end": Program(
        """
        with blocking.open_call(url, audio) as call:
            connected(call)
            call.wait_ended()
        """,
        status=-signal.SIGINT,
        told="KeyboardInterrupt",
        interrupt=True,
    ),
    "a fork": Program(
        """
        with blocking.open_call(url, audio) as call:
            connected(call)
            child = os.fork()
            if not child:
                try:
                    call.hang_up()
                except UsageError:
                    try:
                        next(iter(call))
                    except UsageError:
                        os._exit(7)
                os._exit(1)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            assert call.ended is None
        """,
        printed=("connected", "7"),
    ),
    "a fork that leaves the block": Program(
        """
        with blocking.open_call(url, audio) as call:
            connected(call)
            child = os.fork()
            if not child:
                try:
                    raise SystemExit(5)
                finally:
                    pass
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            assert call.ended is None
        """,
        printed=("connected", "5"),
    ),
    "a fork that calls": Program(
        """
        with blocking.open_call(url, audio) as call:
            connected(call)
            child = os.fork()
            if not child:
                try:
                    with blocking.open_call("ws://127.0.0.1:1/", audio):
                        pass
                except NetworkError:
                    os._exit(8)
                os._exit(1)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        """,
        printed=("connected", "8"),
    ),
    "asyncio: the loop is closed": Program(
        """
        loop = asyncio.new_event_loop()
        manager = aio.open_call(url, audio)

        async def enter():
            await async_connected(await manager.__aenter__())

        loop.run_until_complete(enter())
        loop.close()
        wait_until_alone()
        """,
        printed=("connected", "alone"),
    ),
    "asyncio: the loop is stopped, and the main thread ends": Program(
        """
        loop = asyncio.new_event_loop()
        manager = aio.open_call(url, audio)

        async def enter():
            await async_connected(await manager.__aenter__())

        loop.run_until_complete(enter())
        atexit.register(loop.close)
        """
    ),
    "asyncio: the main task ends before the one that holds the call": Program(
        """
        async def hold(ready):
            async with aio.open_call(url, audio) as call:
                await async_connected(call)
                ready.set()
                try:
                    await call.wait_ended()
                finally:
                    print("cancelled", flush=True)

        async def main():
            ready = asyncio.Event()
            task = asyncio.create_task(hold(ready))
            await ready.wait()

        asyncio.run(main())
        wait_until_alone()
        """,
        printed=("connected", "cancelled", "alone"),
    ),
    "asyncio: KeyboardInterrupt in a callback": Program(
        """
        def interrupt():
            raise KeyboardInterrupt

        async def main():
            async with aio.open_call(url, audio) as call:
                await async_connected(call)
                asyncio.get_running_loop().call_later(0.05, interrupt)
                await call.wait_ended()

        try:
            asyncio.run(main())
        finally:
            wait_until_alone()
        """,
        status=-signal.SIGINT,
        told="KeyboardInterrupt",
        printed=("connected", "alone"),
    ),
    "asyncio: SystemExit in a callback": Program(
        """
        async def main():
            async with aio.open_call(url, audio) as call:
                await async_connected(call)
                asyncio.get_running_loop().call_later(0.05, sys.exit, 5)
                async for event in call:
                    pass

        try:
            asyncio.run(main())
        finally:
            wait_until_alone()
        """,
        status=5,
        printed=("connected", "alone"),
        is_slow=False,
    ),
    "asyncio: SystemExit in a callback, on a bare loop": Program(
        """
        loop = asyncio.new_event_loop()

        async def main():
            async with aio.open_call(url, audio) as call:
                await async_connected(call)
                loop.call_later(0.05, sys.exit, 5)
                await call.wait_ended()

        try:
            loop.run_until_complete(main())
        finally:
            loop.close()
            wait_until_alone()
        """,
        status=5,
        printed=("connected", "alone"),
    ),
    "asyncio: Ctrl-C": Program(
        """
        async def main():
            async with aio.open_call(url, audio) as call:
                await async_connected(call)
                await call.wait_ended()

        try:
            asyncio.run(main())
        finally:
            wait_until_alone()
        """,
        status=-signal.SIGINT,
        told="KeyboardInterrupt",
        printed=("connected", "alone"),
        interrupt=True,
    ),
    "asyncio: a thread's loop holds the call when the main thread ends": Program(
        """
        started = threading.Event()

        async def main():
            async with aio.open_call(url, audio) as call:
                await async_connected(call)
                started.set()
                await call.wait_ended()
            print("left, ended by the", call.ended.by, flush=True)

        threading.Thread(target=asyncio.run, args=(main(),)).start()
        started.wait()
        """,
        printed=("connected", "left, ended by the caller"),
    ),
}
