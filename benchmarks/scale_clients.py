"""The clients of `benchmarks/scale.py`: each holds a call with each URL at once, until its process ends."""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import count
from urllib.parse import urlsplit

import numpy as np
import trio
import websocket
from trio_websocket import connect_websocket_url, open_websocket_url
from websockets.asyncio.client import connect as asyncio_connect
from websockets.trio.client import connect as trio_connect

from sfclient import Audio, Call, MemoryInput, Session, StartedCall, open_call

Urls = Sequence[str]

CHUNK_SECONDS = 0.02
APART_SECONDS = (
    0.02 * 1.618034
)  # between the beginnings of calls: their chunks are due at spread moments
SPEECH_SECONDS = 10
SPEECH = np.random.default_rng(1).integers(-9000, 9000, 48_000 * SPEECH_SECONDS, np.int16).tobytes()
CHUNK = SPEECH[:1920]

held: list[Call] = []  # ours, for their statistics


async def hear(receive: Callable[[], Awaitable[object]]) -> None:
    while True:
        await receive()


async def speak(*sends: Callable[[bytes], Awaitable[object]]) -> None:
    """With all of them at each tick."""
    began = trio.current_time()
    for tick in count(1):
        for send in sends:
            await send(CHUNK)
        await trio.sleep_until(began + CHUNK_SECONDS * tick)


async def ours(urls: Urls, dialect: str = "widget") -> None:
    samplerate = 48_000 if dialect == "widget" else 16_000
    speech = SPEECH[: 2 * samplerate * SPEECH_SECONDS]

    async def start_call(server_name: str) -> StartedCall:
        return StartedCall("sid")

    async def hold(session: Session) -> None:
        microphone = MemoryInput(speech, samplerate=samplerate)
        async with open_call(session, Audio(microphone, "none")) as call:
            held.append(call)
            while True:
                microphone.say(speech)
                await trio.sleep(SPEECH_SECONDS)

    async with trio.open_nursery() as nursery:
        for url in urls:
            nursery.start_soon(hold, Session(url, dialect, start_call=start_call))
            await trio.sleep(APART_SECONDS)


async def asyncio_loop(urls: Urls) -> None:
    clock = asyncio.get_running_loop().time

    async def hold(url: str) -> None:
        async with (
            asyncio_connect(url, compression=None, ping_interval=None) as connection,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(hear(connection.recv))
            began = clock()
            for tick in count(1):
                await connection.send(CHUNK)
                await asyncio.sleep(began + CHUNK_SECONDS * tick - clock())

    async with asyncio.TaskGroup() as calls:
        for url in urls:
            calls.create_task(hold(url))
            await asyncio.sleep(APART_SECONDS)


async def websockets_trio_tick(urls: Urls) -> None:
    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        connections = []
        for url in urls:
            connect = trio_connect(url, compression=None, ping_interval=None)
            connections.append(await stack.enter_async_context(connect))
            nursery.start_soon(hear, connections[-1].recv)
        await speak(*(connection.send for connection in connections))


async def trio_websocket_tick(urls: Urls) -> None:
    async with trio.open_nursery() as nursery:
        connections = []
        for url in urls:
            connections.append(await connect_websocket_url(nursery, url, message_queue_size=64))
            nursery.start_soon(hear, connections[-1].get_message)
        await speak(*(connection.send_message for connection in connections))


async def trio_websocket_task(urls: Urls) -> None:
    async def hold(url: str) -> None:
        async with (
            open_websocket_url(url, message_queue_size=64) as connection,
            trio.open_nursery() as tasks,
        ):
            tasks.start_soon(hear, connection.get_message)
            await speak(connection.send_message)

    async with trio.open_nursery() as nursery:
        for url in urls:
            nursery.start_soon(hold, url)
            await trio.sleep(APART_SECONDS)


async def raw_tick(urls: Urls) -> None:
    """No websocket library: what comes is not even parsed."""
    request = (
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )

    async def send(stream: trio.SocketStream, chunk: bytes) -> None:
        mask = os.urandom(4)
        masked = np.frombuffer(mask * (len(chunk) // 4), np.uint8) ^ np.frombuffer(chunk, np.uint8)
        header = b"\x82\xfe" + len(chunk).to_bytes(2, "big") + mask
        await stream.send_all(header + masked.tobytes())

    async with trio.open_nursery() as nursery:
        streams = []
        for url in urls:
            address = urlsplit(url)
            streams.append(await trio.open_tcp_stream(address.hostname or "", address.port or 0))
            await streams[-1].send_all(request)
            await streams[-1].receive_some()
            nursery.start_soon(hear, streams[-1].receive_some)
        await speak(*(partial(send, stream) for stream in streams))


def threads(urls: Urls) -> None:
    def hold(url: str) -> None:
        connection = websocket.create_connection(url)
        threading.Thread(target=listen, args=[connection]).start()
        began = time.perf_counter()
        for tick in count(1):
            connection.send_binary(CHUNK)
            time.sleep(max(0.0, began + CHUNK_SECONDS * tick - time.perf_counter()))

    def listen(connection: websocket.WebSocket) -> None:
        while True:
            connection.recv()

    for url in urls:
        threading.Thread(target=hold, args=[url]).start()
        time.sleep(APART_SECONDS)


def under_trio(hold: Callable[[Urls], Awaitable[None]]) -> Callable[[Urls], None]:
    return lambda urls: trio.run(hold, urls)


REFERENCE, FLOOR, STUCK = "asyncio", "trio-websocket-tick", "ours-stuck"
CLIENTS: dict[str, Callable[[Urls], None]] = {
    "ours": under_trio(ours),
    STUCK: under_trio(ours),
    "ours-ws-media": under_trio(partial(ours, dialect="ws-media")),
    REFERENCE: lambda urls: asyncio.run(asyncio_loop(urls)),
    "websockets-trio-tick": under_trio(websockets_trio_tick),
    FLOOR: under_trio(trio_websocket_tick),
    "trio-websocket-task": under_trio(trio_websocket_task),
    "raw-tick": under_trio(raw_tick),
    "threads": threads,
}
