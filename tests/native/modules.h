/* What the harnesses call of the Cython modules; modules.c has the rest. */
#ifndef MODULES_H
#define MODULES_H

#include <stddef.h>
#include <stdint.h>

/* As the modules' initialisation does: choose the kernels, give each module the functions of the others. */
void link_kernels(void);
void link_capture(void);
void link_pcm(void);
void link_resample(void);
void link_playout_law(void);
void link_stretch(void);
void link_engine(void);
void link_playout(void);
void link_meter(void);
void link_callback(void);
void link_all(void);
void fill_stretch_table(void);

/* Functions that modules give to each other, by their addresses. */
extern void *const float32_to_int16_symmetric_at, *const measure_level_at;
extern void *const playout_count_at, *const playout_drop_at, *const playout_look_at, *const playout_peek_at;
extern void *const playout_take_at;
extern void *const resampler_input_frames_at, *const resample_some_int16_at;
extern void *const law_begin_at, *const law_decide_at, *const law_flushed_at, *const law_operated_at;
extern void *const best_lag_at, *const conceal_gap_at, *const cross_fade_at, *const fade_out_at;
extern void *const insert_period_at, *const may_operate_at, *const mean_square_at, *const mirror_at;
extern void *const remove_period_at;
extern void *const engine_begin_at, *const engine_flush_at, *const engine_make_block_at;

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
void playout_drain(void *queue);
uint64_t playout_tail(void *queue); /* reader's thread */
counters playout_counters(void *queue);

typedef struct {
    int consistent;
    uint64_t written, read, queued, dropped, removed, inserted, cut, held, concealed, others;
} engine_books;

void *resampler_new(int up, int down);
void stretcher_scale_to(void *stretcher, ptrdiff_t samplerate);
void *engine_new(void *queue, int samplerate, void *resampler, int adaptive, uint64_t log_pieces);
void engine_read_int16(void *engine, int16_t *out, ptrdiff_t frames);
uint64_t engine_take_log(void *engine); /* by one thread */
engine_books engine_look(void *engine); /* from anywhere */

void *meter_new(int samplerate);
void meter_hear_int16(void *meter, const int16_t *block, ptrdiff_t frames, double seconds);
void meter_hear_float32(void *meter, const float *block, ptrdiff_t frames, double seconds);
/* From anywhere: whether what it tells belongs together; -1 if it cannot be true. */
int meter_look(void *meter);
/* By one thread. Returns how many there were; -1 if a beginning does not follow an end. */
int meter_read_segments(void *meter);

/* Plays a queue, or an engine. */
void *stream_new(void *capture, void *playout, void *engine, void *played, int input_channels, int output_channels);
/* Of its sides, either of which may be NULL. */
void stream_set_meters(void *state, void *capture_meter, void *playout_meter, int samplerate);
/* Gets what is played, after the gain. */
void stream_set_reference(void *state, void *reference);
void stream_want_gain(void *state, float gain);
void stream_pick_channel(void *state, int channel);
int stream_callback(void *state, const float *input, float *output, unsigned long frames, unsigned long flags);
uint64_t stream_callbacks(void *state);
/* From anywhere: the frames played before the last callback; UINT64_MAX while that is told. */
uint64_t stream_look(void *state);
void stream_detach(void *state);
void stream_attach(void *state);

#endif
