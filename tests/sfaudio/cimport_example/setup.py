"""Another package's build: it needs nothing of sfaudio but that it is installed."""

from Cython.Build import cythonize
from setuptools import setup

setup(ext_modules=cythonize("example.pyx"))
