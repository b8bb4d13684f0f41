/* Sample kernels in plain C, which define what each does: conversion, byte order, gain, level, channels.
 *
 * _kernels_x86.h and _kernels_neon.h have them again for vector units, made with SF_MAP; _kernels.h chooses.
 *
 * Pointers are void because buffers from Python may start at any address: nothing here assumes alignment. Source and
 * destination may be the same address for swap_i16 and gain_i16; otherwise they must not overlap.
 * The rounding mode is assumed to be the default, to nearest even; flushing denormals to zero changes no result.
 */
#ifndef SF_KERNELS_C_H
#define SF_KERNELS_C_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    uint64_t sum_squares;
    uint64_t clipped;  /* samples at either end of the range: -32768 or 32767 */
    uint32_t peak;     /* of the absolute values, so up to 32768 */
} sf_level;

typedef struct {
    /* What a browser sends: clamp to [-1, 1], times 32768 below zero and 32767 above, truncated; NaN gives 0. */
    void (*f32_to_i16_wire)(const void *src, void *dst, size_t n);
    /* Times 32768, rounded to nearest even, saturated; NaN gives 0. The inverse of i16_to_f32. */
    void (*f32_to_i16_symmetric)(const void *src, void *dst, size_t n);
    /* Divided by 32768, exactly. */
    void (*i16_to_f32)(const void *src, void *dst, size_t n);
    void (*swap_i16)(const void *src, void *dst, size_t n);
    /* The float32 product, rounded to nearest even, saturated; gain is finite. Returns how many did saturate. */
    size_t (*gain_i16)(const void *src, void *dst, size_t n, float gain);
    void (*level_i16)(const void *src, size_t n, sf_level *out);
    /* floor((left + right + 1) / 2): the mean, halves rounded up. */
    void (*stereo_to_mono_i16)(const void *src, void *dst, size_t frames);
    void (*mono_to_stereo_i16)(const void *src, void *dst, size_t frames);
} sf_kernels_t;

enum { SF_LEVEL_C, SF_LEVEL_SSE2, SF_LEVEL_AVX2, SF_LEVEL_AVX512, SF_LEVEL_NEON, SF_LEVELS };

static inline float sf_load_f32(const void *src, size_t i) {
    float value;
    memcpy(&value, (const uint8_t *)src + 4 * i, 4);
    return value;
}

static inline int16_t sf_load_i16(const void *src, size_t i) {
    int16_t value;
    memcpy(&value, (const uint8_t *)src + 2 * i, 2);
    return value;
}

static inline void sf_store_i16(void *dst, size_t i, int32_t value) {
    const int16_t narrow = (int16_t)value;
    memcpy((uint8_t *)dst + 2 * i, &narrow, 2);
}

static void sf_f32_to_i16_wire_c(const void *src, void *dst, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float s = sf_load_f32(src, i);
        float c = s < 1.0f ? s : 1.0f;
        c = c > -1.0f ? c : -1.0f;
        const int32_t scaled = (int32_t)(c * (32768.0 - (c > 0.0f)));  /* exact in double: 24 bits times 15 */
        sf_store_i16(dst, i, scaled & -(s == s));
    }
}

static void sf_f32_to_i16_symmetric_c(const void *src, void *dst, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float s = sf_load_f32(src, i);
        float t = s * 32768.0f;
        t = t < 32767.0f ? t : 32767.0f;
        t = t > -32768.0f ? t : -32768.0f;
        sf_store_i16(dst, i, (int32_t)lrintf(t) & -(s == s));
    }
}

static void sf_i16_to_f32_c(const void *src, void *dst, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float value = (float)sf_load_i16(src, i) * (1.0f / 32768.0f);
        memcpy((uint8_t *)dst + 4 * i, &value, 4);
    }
}

static void sf_swap_i16_c(const void *src, void *dst, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint32_t x = (uint16_t)sf_load_i16(src, i);
        sf_store_i16(dst, i, (int32_t)(x << 8 | x >> 8));
    }
}

static size_t sf_gain_i16_c(const void *src, void *dst, size_t n, float gain) {
    size_t clipped = 0;
    for (size_t i = 0; i < n; i++) {
        float t = (float)sf_load_i16(src, i) * gain;
        t = t < 32768.0f ? t : 32768.0f;
        t = t > -32769.0f ? t : -32769.0f;
        const int32_t rounded = (int32_t)lrintf(t);
        const int32_t above = rounded > 32767, below = rounded < -32768;
        clipped += (size_t)(above + below);
        sf_store_i16(dst, i, rounded - above + below);
    }
    return clipped;
}

static void sf_level_i16_c(const void *src, size_t n, sf_level *out) {
    sf_level level = {0, 0, 0};
    for (size_t i = 0; i < n; i++) {
        const int32_t x = sf_load_i16(src, i);
        const uint32_t size = (uint32_t)(x < 0 ? -x : x);
        level.sum_squares += size * size;
        level.clipped += x == 32767 || x == -32768;
        level.peak = size > level.peak ? size : level.peak;
    }
    *out = level;
}

static void sf_stereo_to_mono_i16_c(const void *src, void *dst, size_t frames) {
    for (size_t i = 0; i < frames; i++) {
        /* Offset so that the division rounds down. */
        const int32_t sum = 65536 + sf_load_i16(src, 2 * i) + sf_load_i16(src, 2 * i + 1);
        sf_store_i16(dst, i, (sum + 1) / 2 - 32768);
    }
}

static void sf_mono_to_stereo_i16_c(const void *src, void *dst, size_t frames) {
    for (size_t i = 0; i < frames; i++) {
        const int16_t x = sf_load_i16(src, i);
        sf_store_i16(dst, 2 * i, x);
        sf_store_i16(dst, 2 * i + 1, x);
    }
}

static const sf_kernels_t sf_kernels_c = {
    sf_f32_to_i16_wire_c, sf_f32_to_i16_symmetric_c, sf_i16_to_f32_c,         sf_swap_i16_c,
    sf_gain_i16_c,        sf_level_i16_c,            sf_stereo_to_mono_i16_c, sf_mono_to_stereo_i16_c,
};

/* The loop around a vector block. BLOCK is an expression for the W results, one VEC, of the input that starts at `at`,
 * IN bytes a sample. The first and the last block are computed before anything is stored and stored after everything
 * else. So they may overlap their neighbours, even in place: no scalar tail, and the stores between them are aligned
 * (if the destination is aligned to its samples). Fewer samples than a block are for the statement FEW. */
#define SF_MAP(TARGET, NAME, VEC, STORE, IN, W, BLOCK, FEW)                \
    TARGET static void NAME(const void *src, void *dst, size_t n) {        \
        enum { OUT = sizeof(VEC) / (W) };                                  \
        uint8_t *d = dst;                                                  \
        const uint8_t *at = src;                                           \
        if (n < (W)) {                                                     \
            FEW;                                                           \
            return;                                                        \
        }                                                                  \
        const VEC first = BLOCK;                                           \
        at = (const uint8_t *)src + (n - (W)) * (IN);                      \
        const VEC last = BLOCK;                                            \
        size_t i = (W) - (uintptr_t)d % sizeof(VEC) / OUT;                 \
        for (; i < n - (W); i += (W)) {                                    \
            at = (const uint8_t *)src + i * (IN);                          \
            STORE(d + i * OUT, BLOCK);                                     \
        }                                                                  \
        STORE(d, first);                                                   \
        STORE(d + (n - (W)) * OUT, last);                                  \
    }

#endif
