"""Values out to break what takes them: buffers of every kind, numbers that lie, objects that meddle.

Each maker takes a `random.Random`. Nothing here knows what is under test but by the `mischief` that
a meddler is given.
"""

import array
import ctypes
import io
import mmap
import pickle
import random
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

COUNTS = (0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 63, 64, 65, 100, 255, 256, 257, 480, 1000)
LONG_COUNTS = (4096, 16384, 20001)  # From 16384 on the GIL is released.
ITEMSIZES = {"f": 4, "h": 2, "B": 1}
CTYPES = {"f": ctypes.c_float, "h": ctypes.c_int16, "B": ctypes.c_uint8}
MARGIN, MARK = 64, b"\xa5"
READ_ONLY = mmap.mmap(-1, 4096, access=mmap.ACCESS_READ)  # Whoever writes here is ended.


class Planted(Exception):  # noqa: N818
    """What a hostile value raises itself; it may come out of the call."""


# ---- buffers that fit


def guarded(raw: bytes, offset: int) -> memoryview:
    """A copy at any address, with marks on either side; see `margins_are_whole`."""
    memory = bytearray(MARK * (MARGIN + offset) + raw + MARK * MARGIN)
    return memoryview(memory)[MARGIN + offset : MARGIN + offset + len(raw)]


def margins_are_whole(view: memoryview, offset: int) -> bool:
    memory, begin = view.obj, MARGIN + offset
    before, after = memory[:begin], memory[begin + view.nbytes :]
    return set(before + after) == set(MARK)


def anonymous_map(raw: bytes) -> mmap.mmap:
    made = mmap.mmap(-1, len(raw) or 1)
    made[: len(raw)] = raw
    return made


def count(rng: random.Random) -> int:
    return rng.choice(COUNTS if rng.random() < 0.995 else LONG_COUNTS)


CONTAINERS: tuple[Callable[[bytes, str], Any], ...] = (
    lambda raw, code: np.frombuffer(bytearray(raw), code),
    lambda raw, code: np.frombuffer(bytearray(raw), code).copy(),
    lambda raw, code: np.frombuffer(bytearray(raw), code).reshape(-1, 1),
    lambda raw, code: np.frombuffer(bytearray(b"." + raw), code, offset=1),  # at an odd address
    lambda raw, code: np.frombuffer(raw, code),  # read-only
    lambda raw, code: bytes(raw),
    lambda raw, code: bytearray(raw),
    lambda raw, code: memoryview(bytearray(raw)).cast(code),
    lambda raw, code: array.array(code, raw),
    lambda raw, code: (CTYPES[code] * (len(raw) // ITEMSIZES[code])).from_buffer_copy(raw),
    lambda raw, code: anonymous_map(raw),
)


def fitting(rng: random.Random, code: str) -> Any:
    """A buffer of native items of this format, or of raw bytes of them."""
    return rng.choice(CONTAINERS)(rng.randbytes(count(rng) * ITEMSIZES[code]), code)


# ---- buffers that do not


class Record(ctypes.BigEndianStructure):
    _fields_ = (("left", ctypes.c_int16), ("right", ctypes.c_float))


class Bytes(bytes):
    """A subclass."""


class Array(np.ndarray[Any, Any]):
    """A subclass, which is not numpy's own fast case."""


class PyBuffer(ctypes.Structure):
    """Py_buffer (PEP 3118)."""

    _fields_ = (
        *(("buf", ctypes.c_void_p), ("obj", ctypes.c_void_p)),
        *(("len", ctypes.c_ssize_t), ("itemsize", ctypes.c_ssize_t)),
        *(("readonly", ctypes.c_int), ("ndim", ctypes.c_int), ("format", ctypes.c_char_p)),
        *(("shape", ctypes.POINTER(ctypes.c_ssize_t)), ("strides", ctypes.c_void_p)),
        *(("suboffsets", ctypes.c_void_p), ("internal", ctypes.c_void_p)),
    )


LIES_MEMORY = ctypes.create_string_buffer(1024)
FORMATS = (
    b"f",
    b"h",
    b"<h",
    b"=f",
    b">h",
    b"!f",
    b"@B",
    b"",
    b"hh",
    b"T{h:x:}",
    b"\xff",
    b"Zf",
    b"?",
)
from_lie = ctypes.pythonapi.PyMemoryView_FromBuffer
from_lie.restype, from_lie.argtypes = ctypes.py_object, (ctypes.POINTER(PyBuffer),)


def liar(rng: random.Random) -> memoryview:
    """It tells the truth about its memory, but neither its format nor its item size can be believed."""
    itemsize, items = rng.choice((1, 2, 4, 8)), rng.choice((0, 1, 3, 64))
    lie = PyBuffer(
        buf=ctypes.addressof(LIES_MEMORY),
        len=itemsize * items,
        itemsize=itemsize,
        ndim=1,
        format=rng.choice(FORMATS),
        shape=ctypes.pointer(ctypes.c_ssize_t(items)),
    )
    lied: memoryview = from_lie(ctypes.byref(lie))
    return lied


def released() -> memoryview:
    view = memoryview(bytearray(64))
    view.release()
    return view


def closed_map() -> mmap.mmap:
    made = anonymous_map(bytes(64))
    made.close()
    return made


def array_like(rng: random.Random) -> Any:
    """A numpy array that is anything but flat, contiguous and native."""
    base = np.zeros((6, 8), rng.choice("fhBbHiqde?gFDOmMcSUV"))
    shape = rng.choice(
        (
            lambda: base[:, ::2],
            lambda: base[::-1],
            lambda: base.T,
            lambda: base[:0],
            lambda: base[0, 0],
            lambda: base[0, 0, ...],  # zero-dimensional
            lambda: np.broadcast_to(base[0], (1 << 40, 8)),  # stride 0, and huge
            lambda: base.view(base.dtype.newbyteorder()),
            lambda: base.reshape(2, 3, 2, 4),
            lambda: base.reshape((1,) * 20 + (48,)),
            lambda: base.view(Array),
            lambda: np.ma.masked_array(base),
            lambda: base.tolist(),
        )
    )
    return shape()


UNFIT: tuple[Callable[[random.Random], Any], ...] = (
    array_like,
    array_like,
    array_like,
    liar,
    lambda rng: memoryview(bytearray(96)).cast(rng.choice("cbBhHiIlLqQfdnNP?")),
    lambda rng: memoryview(bytearray(96)).cast("B", (2, 3, 16)),
    lambda rng: memoryview(bytearray(96)).cast(rng.choice("fhB"))[:: rng.choice((2, -1, -3))],
    lambda rng: array.array(rng.choice("bBhHiIlLqQfd"), bytes(96)),
    lambda rng: array.array("u", "text"),
    lambda rng: (rng.choice((ctypes.c_double, ctypes.c_char, Record)) * 6)(),
    lambda rng: (ctypes.c_int16 * 3 * 4)(),
    lambda rng: ctypes.c_int16(1),
    lambda rng: ctypes.pointer(ctypes.c_float(1)),
    lambda rng: np.zeros(3, [("left", "<i2"), ("right", ">f4")]),
    lambda rng: np.zeros(3, "V2"),
    lambda rng: np.zeros(8, "h").astype(">h"),
    lambda rng: np.float32(1),
    lambda rng: rng.randbytes(rng.choice((1, 3, 5, 97))),  # no whole number of samples
    lambda rng: READ_ONLY,
    lambda rng: memoryview(READ_ONLY).cast(rng.choice("fh")),
    lambda rng: closed_map(),
    lambda rng: released(),
    lambda rng: Bytes(96),
    lambda rng: io.BytesIO(bytes(96)).getbuffer(),
    lambda rng: pickle.PickleBuffer(bytearray(96)),
    lambda rng: [0.0] * 8,
)


# ---- numbers and other values

NUMBERS: tuple[Any, ...] = (
    # Not 2 ** 18 to 2 ** 40, which is in range for some and takes gigabytes.
    *(*COUNTS, -1, -2, -(2**31), -(2**63), -(2**64), 2**40 + 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1),
    *(2**64, 2**64 + 1, 10**30, True, False, 0.0, -0.0, 0.5, 1.5, -1e300, float("nan")),
    *(float("inf"), -float("inf"), 1e-320, 1j, "3", b"3", "", "\udc80", None, Ellipsis, int, []),
    *(Decimal(3), Fraction(1, 3), np.int64(3), np.uint8(200), np.float32(0.5), np.float16("nan")),
    *(np.array(3), np.array([1, 2]), np.bool_(True), np.datetime64("2020"), object()),
)


class Lie(int):
    """An integer that is whatever it is compared with."""

    def _yes(self, other: object) -> bool:
        return True

    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _yes  # type: ignore[assignment]
    __hash__ = int.__hash__


class Meddler:
    """A number, a string and (from Python 3.12 on) a buffer that does something else when it is asked."""

    def __init__(self, rng: random.Random, mischief: Callable[[], None]) -> None:
        self.rng, self.mischief = rng, mischief

    def _asked(self) -> Any:
        self.mischief()
        return self.rng.choice(NUMBERS)

    __index__ = __int__ = __float__ = __len__ = __bool__ = _asked
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = lambda self, other: self._asked()
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return "Meddler()"

    def __buffer__(self, flags: int) -> memoryview:
        asked = self._asked()
        if asked is None:
            raise BufferError("planted")
        # Also what is no memoryview at all.
        return asked if asked is Ellipsis else memoryview(fitting(self.rng, "f"))  # type: ignore[return-value]

    def __release_buffer__(self, view: memoryview) -> None:
        with suppress(Planted):  # Nobody could catch it.
            self.mischief()
        view.release()


def hostile(rng: random.Random, mischief: Callable[[], None]) -> Any:
    """Anything at all."""
    chance = rng.random()
    if chance < 0.5:
        return rng.choice(UNFIT)(rng)
    if chance < 0.8:
        return rng.choice(NUMBERS)
    if chance < 0.9:
        return Lie(rng.choice((0, 1, -1, 2**63, 2**64 - 1, 2**70)))
    return Meddler(rng, mischief)
