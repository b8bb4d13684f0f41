/* Opens one of the Cython modules, as Cython translated it, to the C programs of this folder:
 *
 *     cython src/sfaudio/_pcm.pyx -o generated/_pcm.c
 *     cc -c -ffunction-sections -fdata-sections -DMODULE_PCM -Igenerated -Isrc/sfaudio ... modules.c
 *
 * Linked with --gc-sections, a program needs no Python; the linker would say so if a function that it reaches did.
 */
#if defined(PAUSE_IN_COPY) /* a reader that now and then loses the processor in the middle of a copy */
void pause_in_copy(void);
#define SF_LOAD_SAMPLE(p) (pause_in_copy(), __atomic_load_n((p), __ATOMIC_RELAXED))
#define SF_STORE_SAMPLE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#endif

#if defined(CHECK_NOTHING) /* a planted fault: a reader of the capture queue that never notices it was overtaken */
#include "_atomics.h"
#define sf_load_relaxed(at) (__pyx_v_tail)
#endif

/* A function of one module for another, whose struct types are others to C. */
#define FUNCTION(module, name) __pyx_f_7sfaudio_##module##_##name
#define GIVE(module, name) void *const name##_at = (void *)FUNCTION(module, name)
#define TAKE(module, name) (FUNCTION(module, name) = name##_at)

#if defined(MODULE_KERNELS)
#include "_kernels.c"
#include "modules.h"

void link_kernels(void) { sf_kernels_init(); }

void float32_to_int16_wire(const float *src, int16_t *dst, ptrdiff_t frames)
{
    __pyx_f_7sfaudio_8_kernels_float32_to_int16_wire(src, dst, frames);
}

void int16_samples_to_float32(const int16_t *src, float *dst, ptrdiff_t frames)
{
    __pyx_f_7sfaudio_8_kernels_int16_samples_to_float32(src, dst, frames);
}

GIVE(8_kernels, float32_to_int16_symmetric);
GIVE(8_kernels, measure_level);

#elif defined(MODULE_CAPTURE)
#include "_capture.c"
#include "modules.h"

typedef struct __pyx_t_7sfaudio_8_capture_capture_queue capture_queue;

void link_capture(void) { __pyx_f_7sfaudio_8_kernels_float32_to_int16_wire = float32_to_int16_wire; }

void *capture_new(uint64_t capacity)
{
    capture_queue *queue = calloc(1, sizeof *queue);
    queue->capacity = capacity;
    __pyx_f_7sfaudio_9_segments_make_segments(&queue->ring, 2 * capacity);
    return queue;
}

int capture_make_way(void *queue, uint64_t frames) { return __pyx_f_7sfaudio_8_capture__make_way(queue, frames); }

void capture_write_int16(void *queue, const int16_t *block, ptrdiff_t frames)
{
    __pyx_f_7sfaudio_8_capture_capture_write_int16(queue, block, frames);
}

void capture_write_float32(void *queue, const float *block, ptrdiff_t frames)
{
    __pyx_f_7sfaudio_8_capture_capture_write_float32(queue, block, frames);
}

ptrdiff_t capture_read(void *queue, int16_t *out, ptrdiff_t frames)
{
    return __pyx_f_7sfaudio_8_capture_capture_read(queue, out, frames);
}

uint64_t capture_tail(void *queue) { return ((capture_queue *)queue)->tail; }

counters capture_counters(void *of)
{
    const capture_queue *queue = of;
    return (counters){queue->head, queue->read, queue->dropped, queue->head - queue->tail, 0};
}

#elif defined(MODULE_PCM)
#include "_pcm.c"
#include "modules.h"

typedef struct __pyx_t_7sfaudio_6_queue_playout_queue playout_queue;

void link_pcm(void) { __pyx_f_7sfaudio_8_kernels_int16_samples_to_float32 = int16_samples_to_float32; }

void *playout_new(uint64_t capacity)
{
    playout_queue *queue = calloc(1, sizeof *queue);
    queue->capacity = capacity;
    __pyx_f_7sfaudio_9_segments_make_segments(&queue->ring, capacity);
    return queue;
}

void playout_set_prefill(void *queue, uint64_t frames) { ((playout_queue *)queue)->prefill = frames; }

void playout_set_fade(void *queue, uint64_t frames) { ((playout_queue *)queue)->fade = frames; }

ptrdiff_t playout_read_int16(void *queue, int16_t *out, ptrdiff_t frames)
{
    return __pyx_f_7sfaudio_4_pcm_playout_read_int16(queue, out, frames);
}

ptrdiff_t playout_write(void *queue, const void *data, ptrdiff_t length)
{
    return __pyx_f_7sfaudio_4_pcm_playout_write(queue, data, length);
}

void playout_flush(void *queue) { __pyx_f_7sfaudio_4_pcm_playout_flush(queue); }

void playout_drain(void *queue) { __pyx_f_7sfaudio_4_pcm_playout_drain(queue); }

uint64_t playout_tail(void *queue) { return ((playout_queue *)queue)->tail; }

counters playout_counters(void *of)
{
    const playout_queue *queue = of;
    return (counters){queue->head, queue->read, queue->dropped, queue->head - queue->tail, queue->padded};
}

#elif defined(MODULE_READER)
#include "_reader.c"
#include "modules.h"

GIVE(7_reader, playout_count);
GIVE(7_reader, playout_drop);
GIVE(7_reader, playout_look);
GIVE(7_reader, playout_peek);
GIVE(7_reader, playout_take);

#elif defined(MODULE_RESAMPLE)
#include "_resample.c"
#include "modules.h"

typedef struct __pyx_t_7sfaudio_9_resample_resampler resampler;

GIVE(9_resample, resampler_input_frames);
GIVE(9_resample, resample_some_int16);

void link_resample(void)
{
    TAKE(8_kernels, float32_to_int16_symmetric);
    __pyx_f_7sfaudio_8_kernels_int16_samples_to_float32 = int16_samples_to_float32;
}

/* Its filter is none to listen to. */
void *resampler_new(int up, int down)
{
    resampler *state = calloc(1, sizeof *state);
    state->up = up;
    state->down = down;
    state->taps = 48;
    state->rows = calloc((size_t)(up * state->taps), sizeof(float));
    state->history = calloc((size_t)(state->taps + __pyx_e_7sfaudio_9_resample_STEP), sizeof(float));
    for (int i = 0; i < up * state->taps; i++) state->rows[i] = 1.0f / (float)state->taps;
    return state;
}

#elif defined(MODULE_PLAYOUT_LAW)
#include "_playout_law.c"
#include "modules.h"

GIVE(12_playout_law, law_begin);
GIVE(12_playout_law, law_decide);
GIVE(12_playout_law, law_flushed);
GIVE(12_playout_law, law_operated);

void link_playout_law(void)
{
#include "_playout_law_constants.h"
}

#elif defined(MODULE_STRETCH)
#include "_stretch.c"
#include "modules.h"

GIVE(8_stretch, best_lag);
GIVE(8_stretch, conceal_gap);
GIVE(8_stretch, cross_fade);
GIVE(8_stretch, fade_out);
GIVE(8_stretch, insert_period);
GIVE(8_stretch, may_operate);
GIVE(8_stretch, mean_square);
GIVE(8_stretch, mirror);
GIVE(8_stretch, remove_period);

void link_stretch(void)
{
#include "_stretch_constants.h"
    TAKE(8_kernels, measure_level);
}

void fill_stretch_table(void) { FUNCTION(8_stretch, _fill_table)(); }

void stretcher_scale_to(void *stretcher, ptrdiff_t samplerate) { FUNCTION(8_stretch, _scale_to)(stretcher, samplerate); }

#elif defined(MODULE_ENGINE)
#include "_engine.c"
#include "modules.h"

GIVE(7_engine, engine_begin);
GIVE(7_engine, engine_flush);
GIVE(7_engine, engine_make_block);

void link_engine(void)
{
#include "_engine_constants.h"
    TAKE(12_playout_law, law_decide);
    TAKE(12_playout_law, law_flushed);
    TAKE(12_playout_law, law_operated);
    TAKE(7_reader, playout_drop);
    TAKE(7_reader, playout_look);
    TAKE(7_reader, playout_peek);
    TAKE(7_reader, playout_take);
    TAKE(8_stretch, best_lag);
    TAKE(8_stretch, conceal_gap);
    TAKE(8_stretch, cross_fade);
    TAKE(8_stretch, fade_out);
    TAKE(8_stretch, insert_period);
    TAKE(8_stretch, may_operate);
    TAKE(8_stretch, mean_square);
    TAKE(8_stretch, mirror);
    TAKE(8_stretch, remove_period);
}

#elif defined(MODULE_PLAYOUT)
#include "_playout.c"
#include "modules.h"

typedef struct __pyx_t_7sfaudio_8_playout_playout_engine playout_engine;

void link_playout(void)
{
    TAKE(7_engine, engine_flush);
    TAKE(7_engine, engine_make_block);
    TAKE(7_engine, engine_begin);
    TAKE(12_playout_law, law_begin);
    TAKE(7_reader, playout_count);
    TAKE(7_reader, playout_look);
    TAKE(9_resample, resampler_input_frames);
    TAKE(9_resample, resample_some_int16);
    __pyx_f_7sfaudio_4_pcm_playout_read_int16 = (void *)playout_read_int16;
}

/* As PlayoutEngine has it; without a resampler at the wire's rate. */
void *engine_new(void *queue, int samplerate, void *resampler, int adaptive, uint64_t log_pieces)
{
    playout_engine *engine = calloc(1, sizeof *engine);
    engine->core.queue = queue;
    engine->core.samplerate = samplerate;
    engine->core.gaps.samplerate = (uint64_t)samplerate;
    engine->after = resampler;
    engine->adaptive = adaptive;
    FUNCTION(12_playout_law, law_begin)(&engine->core.law);
    FUNCTION(7_speech, floor_begin)(&engine->core.floor);
    stretcher_scale_to(&engine->core.shape, samplerate);
    if (adaptive)
        FUNCTION(7_engine, engine_begin)(&engine->core, calloc((size_t)samplerate, sizeof(int16_t)));
    engine->core.log.mask = log_pieces - 1;
    engine->core.log.pieces = log_pieces ? calloc(log_pieces, sizeof *engine->core.log.pieces) : NULL;
    return engine;
}

void engine_read_int16(void *engine, int16_t *out, ptrdiff_t frames)
{
    FUNCTION(8_playout, engine_read_int16)(engine, out, frames);
}

/* As PlayoutEngine.read_log does. */
uint64_t engine_take_log(void *of)
{
    playout_engine *engine = of;
    const uint64_t before = engine->core.log.taken;
    uint64_t at = before, sum = 0;
    struct __pyx_t_7sfaudio_7_pieces_piece entry;
    for (; FUNCTION(7_pieces, piece_at)(&engine->core.log, at, &entry); at++)
        sum += (uint64_t)entry.kind + (uint64_t)entry.a + (uint64_t)entry.n;
    FUNCTION(7_pieces, pieces_taken)(&engine->core.log, at);
    return sum ? at - before : 0;
}

/* As PlayoutEngine.statistics does: all that it looks at. */
engine_books engine_look(void *of)
{
    playout_engine *engine = of;
    const struct __pyx_t_7sfaudio_7_engine_engine_core *core = &engine->core;
    struct __pyx_t_7sfaudio_8_playout_engine_counts counts;
    engine_books books = {0};
    books.consistent = FUNCTION(8_playout, _look)(engine, &counts);
    books.written = counts.head;
    books.queued = counts.head - counts.queue.tail + counts.made;
    books.read = counts.read;
    books.dropped = counts.dropped + counts.queue.dropped;
    books.removed = counts.removed;
    books.inserted = counts.inserted;
    books.cut = sf_load_relaxed(&core->cut);
    books.held = sf_load_relaxed(&core->held_frames);
    books.concealed = sf_load_relaxed(&core->concealed);
    books.others = sf_load_relaxed(&core->padded) + sf_load_relaxed(&core->concealments)
        + sf_load_relaxed(&core->underruns) + sf_load_relaxed(&core->gaps.underruns_in_speech)
        + sf_load_relaxed(&core->gaps.interruptions) + sf_load_relaxed(&core->gaps.interrupted_frames)
        + sf_load_relaxed(&core->gaps.silent_concealed_frames) + sf_load_relaxed(&core->waited)
        + sf_load_relaxed(&core->targeted) + sf_load_relaxed(&core->target) + sf_load_relaxed(&core->prefilled)
        + sf_load_relaxed(&core->flushed) + sf_load_relaxed(&core->told_state) + sf_load_relaxed(&core->log.lost);
    return books;
}

#elif defined(MODULE_METER)
#include "_meter.c"
#include "modules.h"

typedef struct __pyx_t_7sfaudio_6_meter_sound_meter sound_meter;

void link_meter(void)
{
#include "_meter_constants.h"
    TAKE(8_kernels, float32_to_int16_symmetric);
    TAKE(8_kernels, measure_level);
}

void *meter_new(int samplerate)
{
    sound_meter *meter = calloc(1, sizeof *meter);
    FUNCTION(5_gate, gate_begin)(&meter->gate);
    meter->samplerate = samplerate;
    meter->block = samplerate / 100;
    return meter;
}

void meter_hear_int16(void *meter, const int16_t *block, ptrdiff_t frames, double seconds)
{
    FUNCTION(6_meter, meter_hear_int16)(meter, block, frames, seconds);
}

void meter_hear_float32(void *meter, const float *block, ptrdiff_t frames, double seconds)
{
    FUNCTION(6_meter, meter_hear_float32)(meter, block, frames, seconds);
}

/* As Meter.level and Meter.statistics do. */
int meter_look(void *meter)
{
    struct __pyx_t_7sfaudio_6_meter_meter_books books;
    if (!FUNCTION(6_meter, _look)(meter, &books)) return 0;
    const int likely = books.zeros <= books.longest_zeros && books.longest_zeros <= books.frames
        && books.speech_frames <= books.frames && books.level_frames <= books.frames && books.level_peak <= books.peak;
    return likely ? 1 : -1;
}

/* As Meter.read_segments does. */
int meter_read_segments(void *of)
{
    sound_meter *meter = of;
    const uint64_t found = sf_load_acquire(&meter->found);
    const int count = (int)(found - meter->taken);
    int alternate = 1;
    for (uint64_t at = meter->taken; at < found; at++)
        alternate &= meter->segments[at % __pyx_e_7sfaudio_6_meter_SEGMENTS].is_beginning == (at % 2 == 0);
    sf_store_release(&meter->taken, found);
    return alternate ? count : -1;
}

#elif defined(MODULE_CALLBACK)
#include "_callback.c"
#include "modules.h"

typedef struct __pyx_t_7sfaudio_9_callback_stream_state stream_state;

/* The queues are opaque here. */
void link_callback(void)
{
    __pyx_f_7sfaudio_8_capture_capture_write_int16 = (void *)capture_write_int16;
    __pyx_f_7sfaudio_8_capture_capture_write_float32 = (void *)capture_write_float32;
    __pyx_f_7sfaudio_4_pcm_playout_read_int16 = (void *)playout_read_int16;
    __pyx_f_7sfaudio_8_playout_engine_read_int16 = (void *)engine_read_int16;
    __pyx_f_7sfaudio_8_kernels_int16_samples_to_float32 = int16_samples_to_float32;
    __pyx_f_7sfaudio_6_meter_meter_hear_int16 = (void *)meter_hear_int16;
    __pyx_f_7sfaudio_6_meter_meter_hear_float32 = (void *)meter_hear_float32;
}

void *stream_new(void *capture, void *playout, void *engine, void *played, int input_channels, int output_channels)
{
    stream_state *state = calloc(1, sizeof *state);
    state->sound.capture = capture;
    state->sound.playout = playout;
    state->sound.engine = engine;
    state->sound.played = played;
    state->sound.input_channels = input_channels;
    state->sound.input_channel = -1;
    state->sound.output_channels = output_channels;
    state->sound.gain = 1;
    stream_want_gain(state, 1);
    return state;
}

void stream_set_meters(void *state, void *capture_meter, void *playout_meter, int samplerate)
{
    stream_state *stream = state;
    stream->sound.capture_meter = capture_meter;
    stream->sound.playout_meter = playout_meter;
    stream->sound.capture_samplerate = stream->sound.playout_samplerate = samplerate;
}

void stream_set_reference(void *state, void *reference) { ((stream_state *)state)->sound.reference = reference; }

void stream_want_gain(void *state, float gain) { FUNCTION(6_sound, want_gain)(&((stream_state *)state)->sound, gain); }

void stream_pick_channel(void *state, int channel) { ((stream_state *)state)->sound.input_channel = channel; }

int stream_callback(void *state, const float *input, float *output, unsigned long frames, unsigned long flags)
{
    return __pyx_f_7sfaudio_9_callback__callback(input, output, frames, 0, flags, state);
}

uint64_t stream_callbacks(void *state) { return ((stream_state *)state)->callbacks; }

/* As StreamCallback.position does. */
uint64_t stream_look(void *state)
{
    struct __pyx_t_7sfaudio_9_position_stream_position seen;
    if (!FUNCTION(9_position, look_at_position)(&((stream_state *)state)->position, &seen)) return UINT64_MAX;
    return seen.output_frames;
}

/* As StreamCallback.detach does. */
void stream_detach(void *state)
{
    sf_exchange(&((stream_state *)state)->detached, 1);
    while (sf_load_ordered(&((stream_state *)state)->busy)) {}
}

void stream_attach(void *state) { sf_store_release(&((stream_state *)state)->detached, 0); }

void link_all(void)
{
    link_kernels();
    link_capture();
    link_pcm();
    link_resample();
    link_playout_law();
    link_stretch();
    link_engine();
    link_playout();
    link_meter();
    link_callback();
}

/* Where the linker begins in test_callback_object.py: all that the callback can reach, and nothing else. */
int callback_path(void *state, const float *input, float *output, unsigned long frames)
{
    link_all();
    return stream_callback(state, input, output, frames, 0);
}

#endif
