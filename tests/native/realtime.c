/* The callback under RealtimeSanitizer, which aborts at the first malloc, lock or system call in `block`.
 *
 *     realtime [malloc|lock|write]     plants that in a block */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "modules.h"

enum { FRAMES = 480, BLOCKS = 2000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *volatile kept;

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

int main(int count, char **arguments)
{
    static float input[8 * FRAMES], output[8 * FRAMES];
    static int16_t speech[2 * FRAMES];
    const char *fault = count > 1 ? arguments[1] : "";
    unsigned long callbacks = 0;

    link_kernels();
    link_capture();
    link_pcm();
    link_callback();
    for (int i = 0; i < 8 * FRAMES; i++) input[i] = (float)(i % 37) / 16.0f - 1.0f;
    for (int i = 0; i < 2 * FRAMES; i++) speech[i] = (int16_t)(i * 31);

    /* Mono and many channels; one direction, both, and a recording; small, usual and large blocks; full queues, empty
     * ones, flushes in the middle of a sound; every flag; and a stream that was detached. */
    for (int channels = 1; channels <= 8; channels += 7) {
        for (int directions = 1; directions <= 7; directions++) {
            void *capture = directions & 1 ? capture_new(4800) : NULL;
            void *playout = directions & 2 ? playout_new(9600) : NULL;
            void *played = directions & 4 ? capture_new(4800) : NULL;
            if (capture) capture_make_way(capture, UINT64_MAX);
            if (played) capture_make_way(played, UINT64_MAX);
            void *stream = stream_new(capture, playout, played, channels, channels);
            if (playout) playout_set_prefill(playout, FRAMES), playout_set_fade(playout, FRAMES / 3);
            for (unsigned long i = 0; i < BLOCKS; i++) {
                if (playout && i % 5 < 3) playout_write(playout, speech, i % 3 ? FRAMES : 4 * FRAMES);
                if (playout && i % 11 == 7) playout_flush(playout);
                if (i == BLOCKS - 10) stream_detach(stream);
                block(stream, capture ? input : NULL, playout ? output : NULL, i % 4 ? FRAMES : 1 + i % FRAMES, i % 32, fault);
            }
            callbacks += stream_callbacks(stream);
        }
    }
    printf("%lu callbacks without malloc, lock or system call\n", callbacks);
    return 0;
}
