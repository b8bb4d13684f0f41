/* Threads on one queue, millions of samples: for ThreadSanitizer. What is read must be what was written, in order.
 *
 *     stress_queues playout|capture|overtaken|engine SAMPLES
 *
 * playout: the playout queue, with a flush now and then.
 * capture: the capture queue with a reader that is never overtaken, so that ThreadSanitizer may see plain samples.
 * overtaken: the capture queue with a reader that is too slow, and pauses while it copies.
 * engine: the playout queue, read by an engine in a callback, with a meter; a third thread asks both, and the stream. Books
 * must balance.
 *
 * The writers allocate segments, and free those that were read, all the time. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modules.h"
#include "speech.h"

enum { LARGEST = 200, WIRE = 16000, DEVICE = 24000, LOG = 256 };

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

static void *engine;
static uint64_t consistent, pieces; /* looks at the engine's books, and pieces of its log */
static void *meter;
static uint64_t meter_looks, segments, positions;

/* Keeps to the time of the device, of which it knows without an order. Now and then it runs ahead of it. */
static void *write_speech(void *unused)
{
    uint64_t state = 88172645463325252u, ahead = 0;
    int16_t block[LARGEST];
    for (uint64_t at = 0; at < samples;) {
        const uint64_t now = __atomic_load_n(&progress, __ATOMIC_RELAXED) / (DEVICE / 1000);
        const uint64_t due = speech_due(now, WIRE) + ahead;
        if (at >= due) sched_yield();
        while (at < due && at < samples) {
            ptrdiff_t frames = 1 + random_u32(&state) % LARGEST;
            if ((uint64_t)frames > due - at) frames = (ptrdiff_t)(due - at);
            if ((uint64_t)frames > samples - at) frames = (ptrdiff_t)(samples - at);
            for (ptrdiff_t i = 0; i < frames; i++) block[i] = speech_at(at + (uint64_t)i, WIRE);
            const ptrdiff_t taken = playout_write(queue, block, frames * 2) / 2;
            at += (uint64_t)taken;
            if (taken < frames) sched_yield();
        }
        if (random_u32(&state) % 4096 == 0) playout_flush(queue), flushes++;
        if (random_u32(&state) % 4096 == 0) playout_drain(queue);
        if (random_u32(&state) % 65536 == 0) ahead += WIRE / 2;
    }
    playout_drain(queue);
    __atomic_store_n(&finished, 1, __ATOMIC_RELEASE);
    return unused;
}

static void *call_back(void *stream)
{
    uint64_t state = 1234567u, asked = 0;
    float output[LARGEST];
    do {
        const unsigned long frames = 1 + random_u32(&state) % LARGEST;
        stream_callback(stream, NULL, output, frames, 0);
        for (unsigned long i = 0; i < frames; i++)
            if (output[i] < -1 || output[i] >= 1) fail("no sample", asked);
        asked += frames;
        __atomic_store_n(&progress, asked, __ATOMIC_RELAXED);
        if (asked % 7 == 0) sched_yield();
    } while (!__atomic_load_n(&finished, __ATOMIC_ACQUIRE) || engine_look(engine).queued > 0);
    __atomic_store_n(&finished, 2, __ATOMIC_RELEASE);
    return NULL;
}

static void balance(const engine_books *books)
{
    if (books->written != books->read + books->queued + books->dropped + books->removed - books->inserted)
        fail("the engine's books", books->written);
}

static void *ask(void *stream)
{
    uint64_t played = 0;
    while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) < 2) {
        const engine_books books = engine_look(engine);
        if (books.consistent) balance(&books), consistent++;
        pieces += engine_take_log(engine);
        const int looked = meter_look(meter), read = meter_read_segments(meter);
        if (looked < 0 || read < 0) fail("the meter's books, or its segments", books.written);
        meter_looks += (uint64_t)looked, segments += (uint64_t)read;
        const uint64_t position = stream_look(stream);
        if (position != UINT64_MAX) {
            if (position < played) fail("the stream goes back", position);
            if (position > played) positions++;
            played = position;
        }
        sched_yield();
    }
    return NULL;
}

/* Returns an exit status. */
static int play(void)
{
    pthread_t writer, caller, asker;
    queue = playout_new(WIRE);
    engine = engine_new(queue, WIRE, resampler_new(3, 2), 1, LOG);
    meter = meter_new(DEVICE);
    void *stream = stream_new(NULL, NULL, engine, NULL, 1, 1);
    stream_set_meters(stream, NULL, meter, DEVICE);
    pthread_create(&caller, NULL, call_back, stream);
    pthread_create(&asker, NULL, ask, stream);
    pthread_create(&writer, NULL, write_speech, NULL);
    pthread_join(writer, NULL);
    pthread_join(caller, NULL);
    pthread_join(asker, NULL);
    const engine_books end = engine_look(engine);
    balance(&end);
    if (end.written != samples || end.queued) fail("counters", samples);
    printf("engine: %llu written, %llu read, %llu dropped, %llu removed, %llu inserted, %llu cut, %llu held, "
           "%llu concealed, %llu flushes, %llu looks, %llu pieces, %llu freed, %llu meter_looks, %llu segments, %llu positions\n",
           (unsigned long long)end.written, (unsigned long long)end.read, (unsigned long long)end.dropped,
           (unsigned long long)end.removed, (unsigned long long)end.inserted, (unsigned long long)end.cut,
           (unsigned long long)end.held, (unsigned long long)end.concealed, (unsigned long long)flushes,
           (unsigned long long)consistent, (unsigned long long)pieces, (unsigned long long)freed,
           (unsigned long long)meter_looks, (unsigned long long)segments, (unsigned long long)positions);
    return 0;
}

int main(int count, char **arguments)
{
    if (count != 3) return 2;
    const char *scenario = arguments[1];
    const int playout = strcmp(scenario, "playout") == 0;
    samples = strtoull(arguments[2], NULL, 10);
    link_all();
    fill_stretch_table();
    if (strcmp(scenario, "engine") == 0) return play();
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
