"""Who detaches a stream has the queues to himself; and a missing order of the two words is found."""

import subprocess
from pathlib import Path

import pytest

from .conftest import Workshop

ROUNDS = 300_000
# The planted fault: each side's store may pass its look at the other's word, as on x86 plain ones do.
NO_ORDER = """
#include <_atomics.h>
#define sf_exchange(at, value) (sf_store_relaxed(at, value), 1)
#define sf_load_ordered(at) sf_load_relaxed(at)
"""

pytestmark = pytest.mark.slow


def spoiled(workshop: Workshop, folder: Path, prefix: str) -> int:
    """How often the callback used a queue that it had left."""
    header = folder / "prefix.h"
    header.write_text(prefix)
    flags = ("-O2", "-include", f"{header}")
    objects = [workshop.module(name, *flags) for name in ("kernels", "callback")]
    program = workshop.link(workshop.compile("stress_detach.c", "-O2"), *objects)
    done = subprocess.run(
        [program, f"{ROUNDS}"], capture_output=True, text=True, check=True, timeout=120
    )
    return int(done.stdout)


def test_a_detached_callback_has_left_the_queues(workshop: Workshop, tmp_path: Path) -> None:
    assert spoiled(workshop, tmp_path, "") == 0


def test_a_missing_order_is_found(workshop: Workshop, tmp_path: Path) -> None:
    assert spoiled(workshop, tmp_path, NO_ORDER) > 0
