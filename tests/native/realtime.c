/* The callback under RealtimeSanitizer, which aborts at the first malloc, lock or system call in `block`.
 *
 *     realtime [malloc|lock|write]     plants that in a block */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "modules.h"
#include "speech.h"

enum { FRAMES = 480, BLOCKS = 2000, CALL_BLOCKS = 6000, RATES = 4, LOG = 256 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *volatile kept;
static unsigned long callbacks, segments, looks;

void *PyMem_RawCalloc(size_t count, size_t bytes) { return calloc(count, bytes); }
void *PyMem_RawMalloc(size_t bytes) { return malloc(bytes); }
void PyMem_RawFree(void *memory) { free(memory); }

/* Queues as small as these take no pages. */
void PyObject_GetArenaAllocator(void *allocator) { (void)allocator, abort(); }
int PyTraceMalloc_Track(unsigned domain, uintptr_t at, size_t size) { return (void)domain, (void)at, (void)size, 0; }
int PyTraceMalloc_Untrack(unsigned domain, uintptr_t at) { return (void)domain, (void)at, 0; }

static void block(void *stream, const float *input, float *output, unsigned long frames, unsigned long flags,
                  const char *fault) [[clang::nonblocking]]
{
    stream_callback(stream, input, output, frames, flags);
    if (strcmp(fault, "malloc") == 0) kept = malloc(64);
    if (strcmp(fault, "lock") == 0) pthread_mutex_lock(&mutex);
    if (strcmp(fault, "write") == 0 && write(2, "", 0) < 0) return;
}

/* A call of a minute, whose speech stalls, is flushed and drained; every third callback comes before its time. */
static engine_books play_call(int samplerate, int resampled, int adaptive, const char *fault)
{
    static float output[2 * FRAMES];
    static int16_t speech[FRAMES];
    void *playout = playout_new(16000), *resampler = resampled ? resampler_new(48000 / (samplerate / 100), 100) : NULL;
    void *engine = engine_new(playout, samplerate, resampler, adaptive, LOG);
    void *stream = stream_new(NULL, NULL, engine, NULL, 2, 2);
    const int output_samplerate = resampled ? 48000 : samplerate;
    void *meter = meter_new(output_samplerate);
    uint64_t written = 0;
    stream_set_meters(stream, NULL, meter, output_samplerate);
    for (unsigned long i = 0; i < CALL_BLOCKS; i++) {
        for (uint64_t due = speech_due(10 * i, samplerate); written < due;) {
            ptrdiff_t frames = due - written < FRAMES ? (ptrdiff_t)(due - written) : FRAMES;
            for (ptrdiff_t k = 0; k < frames; k++) speech[k] = speech_at(written + (uint64_t)k, samplerate);
            frames = playout_write(playout, speech, frames * 2) / 2;
            if (frames == 0) break;
            written += (uint64_t)frames;
        }
        if (i % 1777 == 1500) playout_flush(playout);
        if (i % 1999 == 1000) playout_drain(playout);
        if (i % 500 == 0) segments += (unsigned long)meter_read_segments(meter), looks += meter_look(meter) > 0;
        if (i % 64 == 0 && i % 1024) engine_take_log(engine); /* now and then it is full */
        const unsigned long frames = resampled ? FRAMES : (unsigned long)samplerate / 100;
        block(stream, NULL, output, i % 3 ? frames : 1, i % 32, fault);
        if (i % 3 == 0) block(stream, NULL, output, frames - 1, 0, fault);
    }
    callbacks += stream_callbacks(stream);
    return engine_look(engine);
}

static void play_calls(const char *fault)
{
    const int samplerates[RATES] = {8000, 16000, 24000, 48000};
    engine_books of, all = {0};
    for (int i = 0; i < RATES; i++)
        for (int how = 0; how < 4; how++) {
            of = play_call(samplerates[i], how & 1, how & 2, fault);
            all.read += of.read, all.removed += of.removed, all.inserted += of.inserted, all.cut += of.cut;
            all.held += of.held, all.concealed += of.concealed, all.dropped += of.dropped;
        }
    printf("engine: %llu read, %llu removed, %llu inserted, %llu cut, %llu held, %llu concealed, %llu dropped, %lu segments, %lu looks\n",
           (unsigned long long)all.read, (unsigned long long)all.removed, (unsigned long long)all.inserted,
           (unsigned long long)all.cut, (unsigned long long)all.held, (unsigned long long)all.concealed,
           (unsigned long long)all.dropped, segments, looks);
}

int main(int count, char **arguments)
{
    static float input[8 * FRAMES], output[8 * FRAMES];
    static int16_t speech[2 * FRAMES];
    const char *fault = count > 1 ? arguments[1] : "";

    link_all();
    fill_stretch_table();
    for (int i = 0; i < 8 * FRAMES; i++) input[i] = (float)(i % 37) / 16.0f - 1.0f;
    for (int i = 0; i < 2 * FRAMES; i++) speech[i] = (int16_t)(i * 31);

    /* Mono and many channels, or one of them; one direction, both, and a recording; small, usual and large blocks; full
     * queues, empty ones, flushes in the middle of a sound; every flag; changes of the gain; a reference; and a
     * stream that was detached. */
    for (int channels = 1; channels <= 8; channels += 7) {
        for (int directions = 1; directions <= 7; directions++) {
            void *capture = directions & 1 ? capture_new(4800) : NULL;
            void *playout = directions & 2 ? playout_new(9600) : NULL;
            void *played = directions & 4 ? capture_new(4800) : NULL;
            void *reference = playout ? capture_new(4800) : NULL;
            if (capture) capture_make_way(capture, UINT64_MAX);
            if (played) capture_make_way(played, UINT64_MAX);
            if (reference) capture_make_way(reference, UINT64_MAX);
            void *stream = stream_new(capture, playout, NULL, played, channels, channels);
            stream_set_meters(stream, capture ? meter_new(48000) : NULL, playout ? meter_new(48000) : NULL, 48000);
            stream_set_reference(stream, reference);
            if (directions & 1 && directions & 4 && channels > 1) stream_pick_channel(stream, channels - 1);
            if (playout) playout_set_prefill(playout, FRAMES), playout_set_fade(playout, FRAMES / 3);
            for (unsigned long i = 0; i < BLOCKS; i++) {
                if (playout && i % 5 < 3) playout_write(playout, speech, i % 3 ? FRAMES : 4 * FRAMES);
                if (playout && i % 11 == 7) playout_flush(playout);
                if (i % 13 < 2) stream_want_gain(stream, (float)(i % 13));
                if (i == BLOCKS - 10) stream_detach(stream);
                block(stream, capture ? input : NULL, playout ? output : NULL, i % 4 ? FRAMES : 1 + i % FRAMES, i % 32, fault);
            }
            callbacks += stream_callbacks(stream);
        }
    }
    play_calls(fault);
    printf("%lu callbacks without malloc, lock or system call\n", callbacks);
    return 0;
}
