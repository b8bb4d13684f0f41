/* The kernels for 64-bit Arm. NEON belongs to the base architecture: nothing to detect. */
#ifndef SF_KERNELS_NEON_H
#define SF_KERNELS_NEON_H

#include <arm_neon.h>

#include "_kernels_c.h"

/* Bytes are loaded and stored, because those have no alignment. */
static inline float32x4_t sf_neon_f32(const uint8_t *at) { return vreinterpretq_f32_u8(vld1q_u8(at)); }
static inline int16x8_t sf_neon_i16(const uint8_t *at) { return vreinterpretq_s16_u8(vld1q_u8(at)); }
#define SF_STORE_NEON(d, v) vst1q_u8(d, vreinterpretq_u8_s16(v))

/* Conversion to integer saturates and makes 0 of NaN here. See sf_wire_sse2 for the correction. */
static inline int16x4_t sf_wire4_neon(float32x4_t s) {
    s = vminq_f32(s, vdupq_n_f32(1.0f));
    const float32x4_t t = vmulq_n_f32(s, 32768.0f);
    const int32x4_t n = vcvtq_s32_f32(t);
    const uint32x4_t over = vcltq_f32(vabdq_f32(t, vcvtq_f32_s32(n)), s);
    return vqmovn_s32(vaddq_s32(n, vreinterpretq_s32_u32(over)));
}

static inline int16x4_t sf_symmetric4_neon(float32x4_t s) {
    return vqmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(s, 32768.0f)));
}

SF_MAP(, sf_f32_to_i16_wire_neon, int16x8_t, SF_STORE_NEON, 4, 8,
       vcombine_s16(sf_wire4_neon(sf_neon_f32(at)), sf_wire4_neon(sf_neon_f32(at + 16))),
       sf_f32_to_i16_wire_c(src, dst, n))

SF_MAP(, sf_f32_to_i16_symmetric_neon, int16x8_t, SF_STORE_NEON, 4, 8,
       vcombine_s16(sf_symmetric4_neon(sf_neon_f32(at)), sf_symmetric4_neon(sf_neon_f32(at + 16))),
       sf_f32_to_i16_symmetric_c(src, dst, n))

/* As fixed point with 15 bits of fraction. */
SF_MAP(, sf_i16_to_f32_neon, int16x8_t, SF_STORE_NEON, 2, 4,
       vreinterpretq_s16_f32(vcvtq_n_f32_s32(vmovl_s16(vreinterpret_s16_u8(vld1_u8(at))), 15)),
       sf_i16_to_f32_c(src, dst, n))

SF_MAP(, sf_swap_i16_neon, int16x8_t, SF_STORE_NEON, 2, 8, vreinterpretq_s16_u8(vrev16q_u8(vld1q_u8(at))),
       sf_swap_i16_c(src, dst, n))

/* A rounding halving add: (left + right + 1) >> 1. */
static inline int16x8_t sf_to_mono_neon(const uint8_t *at) {
    const int16x8_t a = sf_neon_i16(at), b = sf_neon_i16(at + 16);
    return vrhaddq_s16(vuzp1q_s16(a, b), vuzp2q_s16(a, b));
}

SF_MAP(, sf_stereo_to_mono_i16_neon, int16x8_t, SF_STORE_NEON, 4, 8, sf_to_mono_neon(at),
       sf_stereo_to_mono_i16_c(src, dst, n))

static inline int16x8_t sf_to_stereo_neon(const uint8_t *at) {
    const int16x4_t x = vreinterpret_s16_u8(vld1_u8(at));
    return vcombine_s16(vzip1_s16(x, x), vzip2_s16(x, x));
}

SF_MAP(, sf_mono_to_stereo_i16_neon, int16x8_t, SF_STORE_NEON, 2, 4, sf_to_stereo_neon(at),
       sf_mono_to_stereo_i16_c(src, dst, n))

static size_t sf_gain_i16_neon(const void *src, void *dst, size_t n, float gain) {
    const uint8_t *s = src;
    uint8_t *d = dst;
    uint64x2_t clipped = vdupq_n_u64(0);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const int16x8_t x = sf_neon_i16(s + 2 * i);
        const int32x4_t a = vcvtnq_s32_f32(vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(x))), gain));
        const int32x4_t b = vcvtnq_s32_f32(vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_high_s16(x))), gain));
        const int16x4_t p = vqmovn_s32(a), q = vqmovn_s32(b);
        /* Clipped is what saturation changed; a mask is all ones, so its top bit counts it. */
        const uint32x4_t changed_a = vmvnq_u32(vceqq_s32(a, vmovl_s16(p)));
        const uint32x4_t changed_b = vmvnq_u32(vceqq_s32(b, vmovl_s16(q)));
        clipped = vpadalq_u32(clipped, vshrq_n_u32(changed_a, 31));
        clipped = vpadalq_u32(clipped, vshrq_n_u32(changed_b, 31));
        SF_STORE_NEON(d + 2 * i, vcombine_s16(p, q));
    }
    return (size_t)vaddvq_u64(clipped) + sf_gain_i16_c(s + 2 * i, d + 2 * i, n - i, gain);
}

static void sf_level_i16_neon(const void *src, size_t n, sf_level *out) {
    const uint8_t *s = src;
    uint64x2_t squares = vdupq_n_u64(0), clipped = vdupq_n_u64(0);
    uint16x8_t peak = vdupq_n_u16(0);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const int16x8_t x = sf_neon_i16(s + 2 * i);
        const uint16x8_t ends = vorrq_u16(vceqq_s16(x, vdupq_n_s16(-32768)), vceqq_s16(x, vdupq_n_s16(32767)));
        squares = vpadalq_u32(squares, vreinterpretq_u32_s32(vmull_s16(vget_low_s16(x), vget_low_s16(x))));
        squares = vpadalq_u32(squares, vreinterpretq_u32_s32(vmull_high_s16(x, x)));
        clipped = vpadalq_u32(clipped, vpaddlq_u16(vshrq_n_u16(ends, 15)));
        peak = vmaxq_u16(peak, vreinterpretq_u16_s16(vabsq_s16(x)));  /* |-32768| is 32768, unsigned */
    }
    sf_level_i16_c(s + 2 * i, n - i, out);
    out->sum_squares += vaddvq_u64(squares);
    out->clipped += vaddvq_u64(clipped);
    const uint32_t highest = vmaxvq_u16(peak);
    if (highest > out->peak) out->peak = highest;
}

static const sf_kernels_t sf_kernels_neon = {
    sf_f32_to_i16_wire_neon, sf_f32_to_i16_symmetric_neon, sf_i16_to_f32_neon,         sf_swap_i16_neon,
    sf_gain_i16_neon,        sf_level_i16_neon,            sf_stereo_to_mono_i16_neon, sf_mono_to_stereo_i16_neon,
};

#endif
