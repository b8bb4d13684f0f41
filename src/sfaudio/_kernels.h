/* The choice among the kernels, which give the same bits at every level: sf_kernels_init() picks the best of the machine. */
#ifndef SF_KERNELS_H
#define SF_KERNELS_H

#include "_kernels_c.h"

#if defined(__x86_64__) || defined(__i386__) || (defined(_M_X64) && !defined(_M_ARM64EC)) || defined(_M_IX86)
#include "_kernels_x86.h"
#elif (defined(__aarch64__) && !defined(__AARCH64EB__)) || defined(_M_ARM64)
#include "_kernels_neon.h"
#endif

static const char *const sf_level_names[SF_LEVELS] = {"c", "sse2", "avx2", "avx512", "neon"};

/* By their level; NULL are those of other processors. */
static const sf_kernels_t *const sf_kernels_of[SF_LEVELS] = {
    &sf_kernels_c,
#if defined(SF_KERNELS_X86_H)
    &sf_kernels_sse2, &sf_kernels_avx2, &sf_kernels_avx512, NULL,
#elif defined(SF_KERNELS_NEON_H)
    NULL, NULL, NULL, &sf_kernels_neon,
#endif
};

static const sf_kernels_t *sf_kernels_chosen = &sf_kernels_c;

/* Those in use. As tables never change, and all give the same bits, a level may be forced while threads run kernels. */
#if defined(_MSC_VER) && !defined(__clang__)
static __inline const sf_kernels_t *sf_kernels(void) { return *(const sf_kernels_t *const volatile *)&sf_kernels_chosen; }
static __inline void sf_kernels_use(const sf_kernels_t *them) { *(const sf_kernels_t *volatile *)&sf_kernels_chosen = them; }
#else
static inline const sf_kernels_t *sf_kernels(void) { return __atomic_load_n(&sf_kernels_chosen, __ATOMIC_RELAXED); }
static inline void sf_kernels_use(const sf_kernels_t *them) { __atomic_store_n(&sf_kernels_chosen, them, __ATOMIC_RELAXED); }
#endif

static int sf_kernels_level(void) {
    const sf_kernels_t *them = sf_kernels();
    int level = 0;
    while (sf_kernels_of[level] != them) level++;
    return level;
}

/* A bit for each level, 1 << SF_LEVEL_..., that this machine can run. */
static unsigned sf_kernels_available(void) {
#if defined(SF_KERNELS_X86_H)
    return 1u << SF_LEVEL_C | sf_x86_available();
#elif defined(SF_KERNELS_NEON_H)
    return 1u << SF_LEVEL_C | 1u << SF_LEVEL_NEON;
#else
    return 1u << SF_LEVEL_C;
#endif
}

/* Use a level; -1 if this machine cannot. */
static int sf_kernels_force(int level) {
    if (level < 0 || level >= SF_LEVELS || !(sf_kernels_available() >> level & 1)) return -1;
    sf_kernels_use(sf_kernels_of[level]);
    return 0;
}

static void sf_kernels_init(void) {
    int level = SF_LEVELS - 1;
    while (sf_kernels_force(level) < 0) level--;
}

/* ---- any number of channels ---- */

/* floor((2 sum + channels) / (2 channels)): the mean, halves rounded up. */
static void sf_mono_i16(const void *src, void *dst, size_t frames, int channels) {
    if (channels == 2) {
        sf_kernels()->stereo_to_mono_i16(src, dst, frames);
        return;
    }
    const size_t count = (size_t)channels;
    for (size_t i = 0; i < frames; i++) {
        /* Every sample is offset by 32768, so that the division rounds down. */
        uint64_t sum = 0;
        for (size_t j = 0; j < count; j++) sum += (uint64_t)(32768 + sf_load_i16(src, i * count + j));
        sf_store_i16(dst, i, (int32_t)((2 * sum + count) / (2 * count)) - 32768);
    }
}

static void sf_spread_i16(const void *src, void *dst, size_t frames, int channels) {
    if (channels == 2) {
        sf_kernels()->mono_to_stereo_i16(src, dst, frames);
        return;
    }
    const size_t count = (size_t)channels;
    for (size_t i = 0; i < frames; i++) {
        const int16_t x = sf_load_i16(src, i);
        for (size_t j = 0; j < count; j++) sf_store_i16(dst, i * count + j, x);
    }
}

#endif
