"""The sound hardware of pages that need some."""

from ..portaudio.conftest import jack as jack
