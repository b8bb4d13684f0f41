"""The door for cimport: everything that native code may use without the GIL."""

from sfaudio._capture cimport CaptureQueue, capture_queue, capture_read, capture_write_float32, capture_write_int16
from sfaudio._capture cimport capture_hold_reader, capture_hold_writer, capture_release_reader, capture_release_writer
from sfaudio._g711 cimport alaw_decode_samples, alaw_encode_samples, ulaw_decode_samples, ulaw_encode_samples
from sfaudio._kernels cimport byteswap_samples, measure_level, mix_to_mono, sample_level, scale_samples, spread_mono
from sfaudio._kernels cimport float32_to_int16_symmetric, float32_to_int16_wire, int16_samples_to_float32
from sfaudio._meter cimport Meter, meter_hear_float32, meter_hear_int16, meter_hold_writer, meter_release_writer
from sfaudio._meter cimport sound_meter
from sfaudio._pcm cimport JitterBuffer, playout_abort, playout_drain, playout_flush
from sfaudio._pcm cimport playout_hold_reader, playout_hold_writer, playout_release_reader, playout_release_writer
from sfaudio._pcm cimport playout_read_float32, playout_read_int16, playout_write
from sfaudio._playout cimport PlayoutEngine, engine_read_int16, playout_engine
from sfaudio._playout cimport engine_hold_reader, engine_release_reader
from sfaudio._queue cimport playout_queue
from sfaudio._reader cimport playout_drop, playout_look, playout_marks, playout_peek, playout_take
from sfaudio._resample cimport Resampler, resample_float32, resample_int16, resampler
from sfaudio._resample cimport resampler_input_frames, resampler_output_frames
from sfaudio._resample cimport resampler_hold, resampler_release
