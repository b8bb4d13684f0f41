"""What the callback's object code can reach, as the linker finds it: no Python, no malloc, no lock.

From `callback_path` in modules.c the linker follows every reference, through the functions of the
other modules and all the kernels they may choose from, and names what is still undefined.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from .conftest import Workshop

# As in setup.py.
FLAGS = ("-O3", "-ffp-contract=off", "-fno-math-errno")
# What a compiler makes of a loop is harmless, and arithmetic; the clock is read without a system call.
HARMLESS = {"clock_gettime", "memcpy", "memset", "memmove"}
HARMLESS |= {"lrintf", "rintf", "rint", "lrint", "fmin", "fmax", "sqrt", "floor"}


def undefined(workshop: Workshop, objects: list[Path]) -> set[str]:
    start = "-Wl,--gc-sections,--no-demangle,-e,callback_path,-u,callback_path"
    command = [workshop.compiler, "-nostdlib", start, *objects, "-o", workshop.folder / "path"]
    env = os.environ | {"LC_ALL": "C"}
    linked = subprocess.run(command, capture_output=True, text=True, env=env)
    found = set(re.findall("undefined (?:reference to|symbol:) [`']?(\\w+)", linked.stderr))
    assert found, linked.stderr  # The clock, if nothing else; so the path has been followed.
    return found


@pytest.fixture(scope="module")
def objects(workshop: Workshop) -> dict[str, Path]:
    return workshop.modules(*FLAGS)


def test_the_callback_reaches_no_python_and_no_allocation(
    workshop: Workshop, objects: dict[str, Path]
) -> None:
    assert undefined(workshop, list(objects.values())) <= HARMLESS


def test_what_is_planted_far_down_the_path_is_found(
    workshop: Workshop, objects: dict[str, Path]
) -> None:
    first_of_reader = "    cdef Py_ssize_t faded = 0, taken\n"
    first_of_callback = (
        "    cdef uint64_t cpu_began = sf_thread_cpu_ns() if state.measure_cpu else 0\n"
    )
    first_of_meter = "    cdef meter_books *books = &meter.books\n"
    headline = "from libc.string cimport memcpy, memmove, memset\n"
    first_of_cut = "    cdef int16_t after[LARGEST_BLOCK]\n"
    of_law, first_of_law = "from libc.math cimport INFINITY", "    cdef int k, needed = 0\n"
    of_stretch, first_of_stretch = (
        "from libc.string cimport memcpy, memset\n",
        "    cdef int64_t looped\n",
    )
    modules = ("pcm", "callback", "meter", "engine", "playout_law", "stretch")
    planted = workshop.spoiled(
        modules,
        ("_pcm.pyx", first_of_reader, f"{first_of_reader}    take_back(&queue.ring, 1, 1)\n"),
        ("_callback.pyx", first_of_callback, f"{first_of_callback}    with gil: print(1)\n"),
        ("_meter.pyx", first_of_meter, f"{first_of_meter}    free(meter)\n"),
        ("_engine.pyx", headline, f"{headline}from libc.stdlib cimport calloc\n"),
        ("_engine.pyx", first_of_cut, f"{first_of_cut}    if calloc(1, 9) == NULL: return\n"),
        ("_playout_law.pyx", of_law, f"from libc.stdlib cimport abort\n{of_law}"),
        ("_playout_law.pyx", first_of_law, f"{first_of_law}    if now < 0: abort()\n"),
        ("_stretch.pyx", of_stretch, f"{of_stretch}from libc.stdio cimport puts\n"),
        ("_stretch.pyx", first_of_stretch, f'{first_of_stretch}    puts("")\n'),
    )
    with_faults = {name: planted.module(name, "-O1") for name in modules}
    found = undefined(planted, list((objects | with_faults).values()))
    assert {"PyMem_RawFree", "PyGILState_Ensure", "free", "calloc", "abort", "puts"} <= found
