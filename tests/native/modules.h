/* What the harnesses call of the Cython modules; modules.c has the rest. */
#ifndef MODULES_H
#define MODULES_H

#include <stddef.h>
#include <stdint.h>

/* As the modules' initialisation does: choose the kernels, give each module the functions of the others. */
void link_kernels(void);
void link_capture(void);
void link_pcm(void);
void link_callback(void);

void float32_to_int16_wire(const float *src, int16_t *dst, ptrdiff_t frames);
void int16_samples_to_float32(const int16_t *src, float *dst, ptrdiff_t frames);

typedef struct { uint64_t written, read, dropped, queued, padded; } counters;

void *capture_new(uint64_t capacity);
/* As the writer has it before it writes: for a block, or once for as many frames as the ring has or more. */
int capture_make_way(void *queue, uint64_t frames);
void capture_write_int16(void *queue, const int16_t *block, ptrdiff_t frames);
void capture_write_float32(void *queue, const float *block, ptrdiff_t frames);
ptrdiff_t capture_read(void *queue, int16_t *out, ptrdiff_t frames);
uint64_t capture_tail(void *queue); /* reader's thread */
counters capture_counters(void *queue); /* when no thread uses it any more; so too below */

void *playout_new(uint64_t capacity);
void playout_set_prefill(void *queue, uint64_t frames);
void playout_set_fade(void *queue, uint64_t frames);
ptrdiff_t playout_read_int16(void *queue, int16_t *out, ptrdiff_t frames);
ptrdiff_t playout_write(void *queue, const void *data, ptrdiff_t length);
void playout_flush(void *queue);
uint64_t playout_tail(void *queue); /* reader's thread */
counters playout_counters(void *queue);

void *stream_new(void *capture, void *playout, void *played, int input_channels, int output_channels);
int stream_callback(void *state, const float *input, float *output, unsigned long frames, unsigned long flags);
uint64_t stream_callbacks(void *state);
void stream_detach(void *state);
void stream_attach(void *state);

#endif
