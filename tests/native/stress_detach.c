/* A stream that is detached again and again while another thread calls back: does its callback leave the queues?
 *
 *     stress_detach ROUNDS     prints in how many of them it did not */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modules.h"

static int ours, stopped; /* whether the queues belong to main */
static unsigned long spoiled, played;
static void *stream;

/* In place of the queues. */
ptrdiff_t playout_read_int16(void *queue, int16_t *out, ptrdiff_t frames)
{
    (void)queue;
    memset(out, 0, (size_t)frames * sizeof *out);
    spoiled += (unsigned long)__atomic_load_n(&ours, __ATOMIC_RELAXED);
    __atomic_store_n(&played, played + 1, __ATOMIC_RELAXED);
    return frames;
}
void engine_read_int16(void *engine, int16_t *out, ptrdiff_t frames) { (void)playout_read_int16(engine, out, frames); }
void capture_write_int16(void *queue, const int16_t *block, ptrdiff_t frames) { (void)queue, (void)block, (void)frames; }
void capture_write_float32(void *queue, const float *block, ptrdiff_t frames) { (void)queue, (void)block, (void)frames; }

void meter_hear_int16(void *meter, const int16_t *block, ptrdiff_t frames, double seconds)
{
    (void)meter, (void)block, (void)frames, (void)seconds;
}
void meter_hear_float32(void *meter, const float *block, ptrdiff_t frames, double seconds)
{
    (void)meter, (void)block, (void)frames, (void)seconds;
}

static void *call_back(void *unused)
{
    float output[1];
    while (!__atomic_load_n(&stopped, __ATOMIC_ACQUIRE)) stream_callback(stream, 0, output, 1, 0);
    return unused;
}

int main(int count, char **arguments)
{
    const long rounds = count > 1 ? atol(arguments[1]) : 1;
    pthread_t thread;
    link_kernels();
    link_callback();
    stream = stream_new(0, &stream, 0, 0, 1, 1);
    pthread_create(&thread, 0, call_back, 0);
    for (long round = 0; round < rounds; round++)
    {
        const unsigned long before = __atomic_load_n(&played, __ATOMIC_RELAXED);
        stream_attach(stream);
        while (__atomic_load_n(&played, __ATOMIC_RELAXED) == before) {}
        for (volatile long wait = round % 97; wait > 0; wait--) {} /* at every moment of a callback */
        stream_detach(stream);
        __atomic_store_n(&ours, 1, __ATOMIC_RELAXED);
        for (volatile int use = 0; use < 100; use++) {}
        __atomic_store_n(&ours, 0, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&stopped, 1, __ATOMIC_RELEASE);
    pthread_join(thread, 0);
    printf("%lu\n", spoiled);
    return 0;
}
