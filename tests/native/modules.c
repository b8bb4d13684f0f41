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

typedef struct __pyx_t_7sfaudio_4_pcm_playout_queue playout_queue;

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

uint64_t playout_tail(void *queue) { return ((playout_queue *)queue)->tail; }

counters playout_counters(void *of)
{
    const playout_queue *queue = of;
    return (counters){queue->head, queue->read, queue->dropped, queue->head - queue->tail, queue->padded};
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
    __pyx_f_7sfaudio_8_kernels_int16_samples_to_float32 = int16_samples_to_float32;
}

void *stream_new(void *capture, void *playout, void *played, int input_channels, int output_channels)
{
    stream_state *state = calloc(1, sizeof *state);
    state->capture = capture;
    state->playout = playout;
    state->played = played;
    state->input_channels = input_channels;
    state->output_channels = output_channels;
    return state;
}

int stream_callback(void *state, const float *input, float *output, unsigned long frames, unsigned long flags)
{
    return __pyx_f_7sfaudio_9_callback__callback(input, output, frames, 0, flags, state);
}

uint64_t stream_callbacks(void *state) { return ((stream_state *)state)->callbacks; }

/* As StreamCallback.detach does. */
void stream_detach(void *state)
{
    sf_exchange(&((stream_state *)state)->detached, 1);
    while (sf_load_ordered(&((stream_state *)state)->busy)) {}
}

void stream_attach(void *state) { sf_store_release(&((stream_state *)state)->detached, 0); }

/* Where the linker begins in test_callback_object.py: all that the callback can reach, and nothing else. */
int callback_path(void *state, const float *input, float *output, unsigned long frames)
{
    link_kernels();
    link_capture();
    link_pcm();
    link_callback();
    return stream_callback(state, input, output, frames, 0);
}

#endif
