# cython: cdivision=True
# (What a .pyx says of itself does not count here.)
"""What a callback does with the sound of a block: microphone to capture queue, playout queue to loudspeaker.

For `_callback` alone, which has the sides of all these queues and meters.
"""

from libc.stdint cimport int16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from sfaudio._capture cimport capture_queue, capture_write_float32, capture_write_int16
from sfaudio._channels cimport mix_channels, pick_channel, scale_mono, spread_channels
from sfaudio._kernels cimport int16_samples_to_float32
from sfaudio._meter cimport meter_hear_float32, meter_hear_int16, sound_meter
from sfaudio._pcm cimport playout_queue, playout_read_int16
from sfaudio._playout cimport engine_read_int16, playout_engine
from sfaudio._ring cimport sf_load_relaxed, sf_store_relaxed


cdef enum:
    STEP = 512  # frames worked on at a time


cdef struct block_sound:
    playout_queue *playout  # one of these two, or none
    playout_engine *engine
    capture_queue *capture
    capture_queue *played
    capture_queue *reference
    sound_meter *capture_meter  # of what is recorded, or NULL
    sound_meter *playout_meter
    double capture_samplerate  # of its meter
    double playout_samplerate
    Py_ssize_t input_channels
    Py_ssize_t input_channel  # the one that is recorded alone, or -1
    Py_ssize_t output_channels
    uint64_t wanted_gain  # the bits of a float32, from any thread
    float gain  # what was played last


cdef inline void want_gain(block_sound *sound, float gain) noexcept nogil:
    """From anywhere."""
    cdef uint32_t bits
    memcpy(&bits, &gain, sizeof(float))
    sf_store_relaxed(&sound.wanted_gain, bits)


cdef inline float wanted_gain(const block_sound *sound) noexcept nogil:
    cdef uint32_t bits = <uint32_t> sf_load_relaxed(&sound.wanted_gain)
    cdef float gain
    memcpy(&gain, &bits, sizeof(float))
    return gain


cdef inline void record_block(block_sound *sound, const float *input, Py_ssize_t frames, double now) noexcept nogil:
    """Queue a block: one channel, or the mean of all. It ends now."""
    cdef float mono[STEP]
    cdef const float *block = mono
    cdef Py_ssize_t channels = sound.input_channels
    cdef Py_ssize_t step
    while frames > 0:
        step = min(frames, <Py_ssize_t> STEP)
        if channels == 1:
            block = input
        elif sound.input_channel >= 0:
            pick_channel(input, mono, step, channels, sound.input_channel)
        else:
            mix_channels(input, mono, step, channels)
        capture_write_float32(sound.capture, block, step)
        if sound.capture_meter != NULL:
            meter_hear_float32(sound.capture_meter, block, step, now - <double> frames / sound.capture_samplerate)
        input += step * channels
        frames -= step


cdef inline void play_block(block_sound *sound, float *output, Py_ssize_t frames, double now) noexcept nogil:
    """Fill a block, every channel with the same. It begins now.

    A new gain is reached in a straight line at its end. Recorder and meter have what was not scaled; the reference has
    what was, by the same rule as what is recorded: of a loudspeaker wired to the microphone, each frame is the same.
    """
    cdef int16_t block[STEP]
    cdef float mono[STEP]
    cdef float *samples = mono
    cdef Py_ssize_t channels = sound.output_channels
    cdef float wanted = wanted_gain(sound)
    cdef float slope = (wanted - sound.gain) / <float> frames
    cdef Py_ssize_t step
    while frames > 0:
        step = min(frames, <Py_ssize_t> STEP)
        if sound.engine != NULL:
            engine_read_int16(sound.engine, block, step)
        else:
            playout_read_int16(sound.playout, block, step)
        if sound.played != NULL:
            capture_write_int16(sound.played, block, step)
        if sound.playout_meter != NULL:
            meter_hear_int16(sound.playout_meter, block, step, now)
            now += <double> step / sound.playout_samplerate
        if channels == 1:
            samples = output
        int16_samples_to_float32(block, samples, step)
        if wanted != 1.0 or slope != 0.0:
            sound.gain = scale_mono(samples, step, sound.gain, slope)
        if sound.reference != NULL:
            capture_write_float32(sound.reference, samples, step)
        if channels > 1:
            spread_channels(mono, output, step, channels)
        output += step * channels
        frames -= step
    sound.gain = wanted
