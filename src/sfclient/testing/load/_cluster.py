"""Workers of Dask: those that we start here, or those of a scheduler that runs already."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import dask.config
from distributed import Client, LocalCluster

from sfclient._errors import NetworkError, UsageError
from sfclient.testing.load._worker import Looks, look

CONNECT_SECONDS = 5.0  # for a scheduler to answer: it is in our network
START_SECONDS = 60.0  # for local workers, which import all of Dask on a busy machine
# What a worker must have, and whether in our very version: what we send it is made of its classes.
NEEDED = {"sfaudio": True, "hdrhistogram": False, "trio": False, "trio-websocket": False}
# A load has no tasks: what watches those would only take time from calls. A worker that does not take a connection on
# this machine within some seconds is gone.
LOCAL = {
    "distributed.worker.profile.enabled": False,
    "distributed.comm.timeouts.connect": "5s",
    "distributed.comm.retry.count": 0,
}


@dataclass(frozen=True, slots=True)
class Worker:
    """One that a share can be given to."""

    name: str
    """For a person."""
    address: str
    process: str
    """See `Looks`."""


class Cluster:
    """Its workers, and how to ask something of one."""

    def __init__(self, client: Client, workers: list[Worker]) -> None:
        self._client = client
        self.workers = workers

    async def ask(self, worker: Worker, function: Callable[..., Any], *args: Any) -> Any:
        """What the function returns there: it runs once, outside of Dask's tasks, or not at all.

        Raises whatever Dask does if the worker is not to be reached, or what the function raises.
        """
        asked = self._client.run(function, *args, workers=[worker.address], on_error="return")
        answer = (await asked)[worker.address]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def addresses(self) -> set[str]:
        """Of the workers that the scheduler has now."""
        return set((await self._client.scheduler.identity())["workers"])


@asynccontextmanager
async def open_cluster(
    workers: int, scheduler: str | None, key_variable: str
) -> AsyncIterator[Cluster]:
    """So many workers of our own, or all of a scheduler's; each was looked at.

    Raises `NetworkError` if no scheduler answers, `UsageError` for workers that cannot place calls: all are named.
    """
    opening = _local_client(workers) if scheduler is None else _client_of(scheduler)
    with _quiet():
        async with opening as client:
            yield await _looked_at(client, key_variable, is_ours=scheduler is None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Of workers that come and go Dask tells a page on standard error; we tell it in a line."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@asynccontextmanager
async def _local_client(workers: int) -> AsyncIterator[Client]:
    with dask.config.set(LOCAL):
        async with LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            # Its HTTP server cannot be left out, and would warn where another has the usual port.
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            memory_limit=0,  # or Dask would end a worker for what its calls hold
            silence_logs=logging.CRITICAL,
            asynchronous=True,
        ) as cluster:
            async with Client(cluster, asynchronous=True, set_as_default=False) as client:
                await client.wait_for_workers(workers, timeout=START_SECONDS)
                yield client


@asynccontextmanager
async def _client_of(scheduler: str) -> AsyncIterator[Client]:
    found = re.fullmatch(
        r"(?:tcp|tls)://(?:\[([0-9a-fA-F:.]+)\]|([^\s/:]+)):([0-9]{1,5})", scheduler
    )
    if found is None:
        raise UsageError(
            f"{scheduler!r} is no address of a Dask scheduler, such as tcp://10.0.0.5:8786"
        )
    not_there = NetworkError(
        f"no Dask scheduler answers at {scheduler}: is it running, and is that its address?"
    )
    try:
        # Dask would try again and again, and tell on standard error how that goes.
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(found[1] or found[2], int(found[3]))
        writer.close()
    except (OSError, OverflowError):  # a TimeoutError is one; OverflowError: of the port
        raise not_there from None
    client = Client(scheduler, asynchronous=True, timeout=CONNECT_SECONDS, set_as_default=False)
    try:
        async with asyncio.timeout(2 * CONNECT_SECONDS):
            await client
    except OSError:  # something else listens there, and Dask would wait for its answer for ever
        with suppress(OSError):
            async with asyncio.timeout(CONNECT_SECONDS):
                await client.close(timeout=1)
        raise not_there from None
    async with client:
        yield client


async def _looked_at(client: Client, key_variable: str, *, is_ours: bool) -> Cluster:
    told = (await client.get_versions(packages=list(NEEDED)))["workers"]
    if not told:
        raise UsageError(
            f"the scheduler at {client.scheduler.address} has no workers: start some with dask worker"
        )
    faults = [
        f"worker {address}: {fault}"
        for address, of_worker in told.items()
        for fault in _faults_of(of_worker["packages"])
    ]
    _refuse(faults, "install the same sfaudio[load] there as here")
    names = (await client.scheduler.identity())["workers"]
    looks = await client.run(look, key_variable, is_ours, workers=list(told), on_error="return")
    workers, faults = [], []
    for address, came in looks.items():
        if not isinstance(came, Looks):
            faults.append(f"worker {address}: {type(came).__name__} as it was looked at")
        elif not came.has_key:
            faults.append(f"worker {address}: no API key in {key_variable}")
        else:
            name = f"{names[address]['name']} ({address})"
            workers.append(Worker(name, address, came.process))
    _refuse(faults, f"set {key_variable} where the workers are started: the key is never sent")
    return Cluster(client, workers)


def _faults_of(packages: dict[str, str | None]) -> list[str]:
    found = []
    for name, is_exact in NEEDED.items():
        came, ours = packages.get(name), _version(name)
        if came is None:
            found.append(f"{name} is not installed")
        elif is_exact and came != ours:
            found.append(f"{name} is {came}, and {ours} here")
    return found


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _refuse(faults: list[str], remedy: str) -> None:
    if faults:
        raise UsageError("\n".join([*faults, f"No call was placed: {remedy}."]))
