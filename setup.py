"""The extensions and their compile flags; everything else is in pyproject.toml.

With SFAUDIO_SANITIZE=address,undefined in the environment, gcc and clang build these checks in;
with SFAUDIO_COVERAGE=1, Cython has every line traced, for the command `coverage` of dev.py.
"""

import os
from glob import glob

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

MODULES = [
    "_blocks",
    "_buffers",
    "_callback",
    "_capture",
    "_echo",
    "_echo_blocks",
    "_echo_filter",
    "_echo_gate",
    "_engine",
    "_fourier",
    "_g711",
    "_kernels",
    "_meter",
    "_pcm",
    "_playout",
    "_playout_law",
    "_reader",
    "_resample",
    "_stretch",
]

# No contraction into fused multiply-adds: conversion is exact by rounding each step as written.
FLAGS = {
    "unix": ["-O3", "-g0", "-fvisibility=hidden", "-ffp-contract=off", "-fno-math-errno"],
    "msvc": ["/O2", "/std:c11"],
}
SANITIZERS = os.environ.get("SFAUDIO_SANITIZE", "")
SANITIZE = [f"-fsanitize={SANITIZERS}", "-fno-sanitize-recover=undefined"]
SANITIZED_CODE = ["-O1", "-g", "-fno-omit-frame-pointer"]
TRACED = "SFAUDIO_COVERAGE" in os.environ
# coverage's tracer is told of lines without the GIL as well, by calls: it is no sys.monitoring tool.
TRACE_MACROS = [("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")]


class BuildExt(build_ext):
    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self) -> None:
        flags = FLAGS.get(self.compiler.compiler_type, FLAGS["unix"])
        for extension in self.extensions:
            extension.extra_compile_args = flags
            if SANITIZERS:
                extension.extra_compile_args = [*flags, *SANITIZE, *SANITIZED_CODE]
                extension.extra_link_args = SANITIZE
        super().build_extensions()


setup(
    cmdclass={"build_ext": BuildExt},
    ext_modules=cythonize(
        [
            Extension(
                f"sfaudio.{name}",
                [f"src/sfaudio/{name}.pyx"],
                include_dirs=["src/sfaudio", numpy.get_include()],
                depends=sorted(glob("src/sfaudio/*.h")),
                define_macros=[
                    ("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION"),
                    *(TRACE_MACROS if TRACED else []),
                ],
            )
            for name in MODULES
        ],
        build_dir=None if TRACED else "build/cython",  # Traced C is looked for beside its .pyx.
        # Importing one leaves a GIL off that is off: what two threads could spoil has an owner (`_owners.pxd`).
        compiler_directives={"linetrace": TRACED, "freethreading_compatible": True},
    ),
)
