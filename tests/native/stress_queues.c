/* Two threads, one queue, millions of samples: for ThreadSanitizer. What is read must be what was written, in order.
 *
 *     stress_queues playout|capture|overtaken SAMPLES
 *
 * playout: the playout queue, with a flush now and then.
 * capture: the capture queue with a reader that is never overtaken, so that ThreadSanitizer may see plain samples.
 * overtaken: the capture queue with a reader that is too slow, and pauses while it copies.
 *
 * The writers allocate segments, and free those that were read, all the time. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modules.h"

enum { LARGEST = 200 };

static void *queue;
static uint64_t samples, flushes;
static uint64_t allocated, freed; /* the writer's */
static uint64_t capacity = 500; /* neither a power of two nor a multiple of the blocks */
static int bounded;
static uint64_t progress; /* the reader's; released, so that a writer may count on what was read */
static int finished; /* only at the end, so it orders nothing before */
static int found_full; /* by the writer */

static uint32_t random_u32(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 32);
}

static void fail(const char *what, uint64_t at)
{
    fprintf(stderr, "FAILED: %s at sample %llu\n", what, (unsigned long long)at);
    _Exit(1);
}

void *PyMem_RawCalloc(size_t count, size_t bytes) { return calloc(count, bytes); }

void *PyMem_RawMalloc(size_t bytes)
{
    allocated++;
    return malloc(bytes);
}

void PyMem_RawFree(void *memory)
{
    freed++;
    free(memory);
}

/* Queues as small as these take no pages. */
void PyObject_GetArenaAllocator(void *allocator) { (void)allocator, abort(); }
int PyTraceMalloc_Track(unsigned domain, uintptr_t at, size_t size) { return (void)domain, (void)at, (void)size, 0; }
int PyTraceMalloc_Untrack(unsigned domain, uintptr_t at) { return (void)domain, (void)at, 0; }

static int16_t value(uint64_t position) { return (int16_t)(uint16_t)position; }

static ptrdiff_t fill(int16_t *block, uint64_t from, uint64_t *state)
{
    const uint64_t left = samples - from;
    ptrdiff_t frames = 1 + random_u32(state) % LARGEST;
    if ((uint64_t)frames > left) frames = (ptrdiff_t)left;
    for (ptrdiff_t i = 0; i < frames; i++) block[i] = value(from + (uint64_t)i);
    return frames;
}

static void check(const int16_t *block, ptrdiff_t frames, uint64_t from)
{
    for (ptrdiff_t i = 0; i < frames; i++)
        if (block[i] != value(from + (uint64_t)i)) fail("wrong sample", from + (uint64_t)i);
}

static void *write_playout(void *unused)
{
    uint64_t state = 88172645463325252u;
    int16_t block[LARGEST];
    for (uint64_t at = 0; at < samples;) {
        const ptrdiff_t length = fill(block, at, &state) * 2;
        /* In pieces that split samples. */
        for (ptrdiff_t done = 0; done < length;) {
            ptrdiff_t piece = 1 + random_u32(&state) % (2 * LARGEST);
            if (piece > length - done) piece = length - done;
            const ptrdiff_t taken = playout_write(queue, (char *)block + done, piece);
            if (taken == 0) {
                __atomic_store_n(&found_full, 1, __ATOMIC_RELAXED);
                sched_yield();
            }
            done += taken;
        }
        at += (uint64_t)length / 2;
        if (random_u32(&state) % 64 == 0) {
            playout_flush(queue);
            flushes++;
        }
    }
    __atomic_store_n(&finished, 1, __ATOMIC_RELEASE);
    return unused;
}

static void *read_playout(void *unused)
{
    uint64_t state = 1234567u, asked = 0, got = 0;
    int16_t block[LARGEST];
    for (;;) {
        const int last = __atomic_load_n(&finished, __ATOMIC_ACQUIRE);
        const ptrdiff_t frames = 1 + random_u32(&state) % LARGEST;
        /* Now and then the ring is full, and its end in the segment of its beginning, however the threads run. */
        if (random_u32(&state) % 1024 == 0) {
            __atomic_store_n(&found_full, 0, __ATOMIC_RELAXED);
            while (!__atomic_load_n(&found_full, __ATOMIC_RELAXED) && !__atomic_load_n(&finished, __ATOMIC_ACQUIRE))
                sched_yield();
        }
        memset(block, 0x55, sizeof block);
        const ptrdiff_t taken = playout_read_int16(queue, block, frames);
        const uint64_t from = playout_tail(queue) - (uint64_t)taken;
        check(block, taken, from);
        for (ptrdiff_t i = taken; i < frames; i++)
            if (block[i] != 0) fail("padding is not silent", from);
        asked += (uint64_t)frames;
        got += (uint64_t)taken;
        if (taken == 0) {
            if (last && playout_counters(queue).queued == 0) break;
            sched_yield();
        }
    }
    const counters end = playout_counters(queue);
    if (got != end.read || asked - got != end.padded) fail("the reader's counters", samples);
    return unused;
}

void pause_in_copy(void);
void pause_in_copy(void)
{
    static unsigned samples_read;
    if (++samples_read % 100 == 0) sched_yield();
}

static void *write_capture(void *unused)
{
    uint64_t state = 88172645463325252u;
    int16_t block[LARGEST];
    for (uint64_t at = 0; at < samples;) {
        const ptrdiff_t frames = fill(block, at, &state);
        /* Never over what is not read yet; or several times round the ring. */
        const uint64_t lead = bounded ? capacity : 8 * capacity;
        while (at + (uint64_t)frames - __atomic_load_n(&progress, __ATOMIC_ACQUIRE) > lead)
            sched_yield();
        if (!capture_make_way(queue, (uint64_t)frames)) fail("no memory", at);
        capture_write_int16(queue, block, frames);
        at += (uint64_t)frames;
    }
    __atomic_store_n(&finished, 1, __ATOMIC_RELEASE);
    return unused;
}

static void *read_capture(void *unused)
{
    uint64_t state = 1234567u;
    int16_t block[LARGEST];
    for (;;) {
        const int last = __atomic_load_n(&finished, __ATOMIC_ACQUIRE);
        const ptrdiff_t taken = capture_read(queue, block, 1 + random_u32(&state) % LARGEST);
        const uint64_t tail = capture_tail(queue);
        check(block, taken, tail - (uint64_t)taken);
        __atomic_store_n(&progress, tail, __ATOMIC_RELEASE);
        if (taken == 0) {
            if (last && tail == samples) break;
            sched_yield();
        }
    }
    return unused;
}

int main(int count, char **arguments)
{
    if (count != 3) return 2;
    const char *scenario = arguments[1];
    const int playout = strcmp(scenario, "playout") == 0;
    samples = strtoull(arguments[2], NULL, 10);
    bounded = strcmp(scenario, "capture") == 0;
    queue = playout ? playout_new(capacity) : capture_new(capacity);

    pthread_t writer, reader;
    pthread_create(&reader, NULL, playout ? read_playout : read_capture, NULL);
    pthread_create(&writer, NULL, playout ? write_playout : write_capture, NULL);
    pthread_join(writer, NULL);
    pthread_join(reader, NULL);

    const counters end = playout ? playout_counters(queue) : capture_counters(queue);
    if (end.written != samples || end.read + end.dropped + end.queued != samples || end.queued) fail("counters", samples);
    if (bounded && end.dropped) fail("dropped", samples);
    printf("%s: %llu written, %llu read in order, %llu dropped, %llu flushes, %llu allocated, %llu freed\n",
           scenario,
           (unsigned long long)end.written, (unsigned long long)end.read, (unsigned long long)end.dropped,
           (unsigned long long)flushes, (unsigned long long)allocated, (unsigned long long)freed);
    return 0;
}
