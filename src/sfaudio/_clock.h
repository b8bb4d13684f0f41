/* A clock for the audio callback: nanoseconds since some moment, steady, and read without a system call (on Linux through the
 * vDSO, on macOS and Windows from user memory and the processor's counter). It is the clock of time.perf_counter().
 */
#ifndef SFAUDIO_CLOCK_H
#define SFAUDIO_CLOCK_H

#include <stdint.h>

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <windows.h>
static inline uint64_t sf_now_ns(void)
{
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&per_second);
    const uint64_t t = (uint64_t)ticks.QuadPart, f = (uint64_t)per_second.QuadPart;
    return t / f * 1000000000u + t % f * 1000000000u / f;
}
static inline uint64_t sf_thread_cpu_ns(void) { return 0; }

#elif defined(__APPLE__)

#include <time.h>
static inline uint64_t sf_now_ns(void) { return clock_gettime_nsec_np(CLOCK_UPTIME_RAW); }
static inline uint64_t sf_thread_cpu_ns(void) { return clock_gettime_nsec_np(CLOCK_THREAD_CPUTIME_ID); }

#else

#include <time.h>
static inline uint64_t sf_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
static inline uint64_t sf_now_ns(void) { return sf_clock_ns(CLOCK_MONOTONIC); }
/* Unlike the other, this one is a system call: for benchmarks only. */
static inline uint64_t sf_thread_cpu_ns(void) { return sf_clock_ns(CLOCK_THREAD_CPUTIME_ID); }

#endif

#endif
