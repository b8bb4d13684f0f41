/* Atomics for the single-producer, single-consumer queues and their owners, and sample copies that may race by design.
 *
 * Plain C11 <stdatomic.h> is not valid C++ before C++23, and C++ programs include this header through Cython; the
 * compilers' own builtins are valid in both.
 */
#ifndef SFAUDIO_ATOMICS_H
#define SFAUDIO_ATOMICS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER) && !defined(__clang__)

#include <intrin.h>

/* Aligned 64-bit accesses are atomic on every 64-bit Windows; /volatile:iso gives them no order, the barriers do. */
#if defined(_M_ARM64)
#define SF_FENCE() __dmb(_ARM64_BARRIER_ISH)
#else
#define SF_FENCE() _ReadWriteBarrier() /* x86-64 is TSO: only the compiler has to be held back */
#endif

static __inline uint64_t sf_load_relaxed(const uint64_t *p) { return *(const volatile uint64_t *)p; }
static __inline void sf_store_relaxed(uint64_t *p, uint64_t v) { *(volatile uint64_t *)p = v; }
static __inline uint64_t sf_load_acquire(const uint64_t *p)
{
    uint64_t v = *(const volatile uint64_t *)p;
    SF_FENCE();
    return v;
}
static __inline void sf_store_release(uint64_t *p, uint64_t v)
{
    SF_FENCE();
    *(volatile uint64_t *)p = v;
}
static __inline void sf_fence_acquire(void) { SF_FENCE(); }
static __inline void sf_fence_release(void) { SF_FENCE(); }
static __inline uint64_t sf_load_ordered(const uint64_t *p)
{
    SF_FENCE(); /* x86-64 lets no load pass an interlocked exchange before it */
    return sf_load_acquire(p);
}
static __inline uint64_t sf_exchange(uint64_t *p, uint64_t v)
{
    return (uint64_t)_InterlockedExchange64((volatile __int64 *)p, (__int64)v);
}
static __inline uint64_t sf_hold(uint64_t *p, uint64_t holder)
{
    return (uint64_t)_InterlockedCompareExchange64((volatile __int64 *)p, (__int64)holder, 0);
}
#define SF_LOAD_SAMPLE(p) (*(const volatile int16_t *)(p))
#define SF_STORE_SAMPLE(p, v) (*(volatile int16_t *)(p) = (v))

#else

/* tests/native replaces these, to see the want of order found, and samples that race. */
#ifndef SF_ACQUIRE
#define SF_ACQUIRE __ATOMIC_ACQUIRE
#endif
#ifndef SF_RELEASE
#define SF_RELEASE __ATOMIC_RELEASE
#endif
#ifndef SF_LOAD_SAMPLE
#define SF_LOAD_SAMPLE(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define SF_STORE_SAMPLE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#endif

static inline uint64_t sf_load_relaxed(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
static inline void sf_store_relaxed(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }
static inline uint64_t sf_load_acquire(const uint64_t *p) { return __atomic_load_n(p, SF_ACQUIRE); }
static inline void sf_store_release(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, SF_RELEASE); }
static inline void sf_fence_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
static inline void sf_fence_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }
/* Exchanges and these loads have one order that all threads see alike: of two threads that each exchange a word and then
 * load the other's, one at least sees the other's. */
static inline uint64_t sf_load_ordered(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static inline uint64_t sf_exchange(uint64_t *p, uint64_t v) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); }
/* Put `holder` into a word that is 0. Returns what was there: 0 if it is held now. */
static inline uint64_t sf_hold(uint64_t *p, uint64_t holder)
{
    uint64_t found = 0;
    __atomic_compare_exchange_n(p, &found, holder, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
    return found;
}

#endif

/* Copies into and out of a ring whose writer may overtake its reader: each sample is whole, old or new. Four in a round,
 * as no compiler unrolls atomics, and one in a round is slow wherever the loop crosses a cache line. */
static inline void sf_store_sample(int16_t *ring, const int16_t *src)
{
    int16_t sample;
    memcpy(&sample, src, sizeof sample); /* the block may be unaligned */
    SF_STORE_SAMPLE(ring, sample);
}
static inline void sf_load_sample(int16_t *dst, const int16_t *ring)
{
    const int16_t sample = SF_LOAD_SAMPLE(ring);
    memcpy(dst, &sample, sizeof sample);
}
static inline void sf_store_samples(int16_t *ring, const int16_t *src, size_t n)
{
    for (; n >= 4; n -= 4, ring += 4, src += 4)
    {
        sf_store_sample(ring, src);
        sf_store_sample(ring + 1, src + 1);
        sf_store_sample(ring + 2, src + 2);
        sf_store_sample(ring + 3, src + 3);
    }
    for (; n > 0; n--) sf_store_sample(ring++, src++);
}
static inline void sf_load_samples(int16_t *dst, const int16_t *ring, size_t n)
{
    for (; n >= 4; n -= 4, dst += 4, ring += 4)
    {
        sf_load_sample(dst, ring);
        sf_load_sample(dst + 1, ring + 1);
        sf_load_sample(dst + 2, ring + 2);
        sf_load_sample(dst + 3, ring + 3);
    }
    for (; n > 0; n--) sf_load_sample(dst++, ring++);
}

#endif
