/* The kernels for x86: SSE2, AVX2 (with FMA) and AVX-512 (F, BW, DQ, VL). */
#ifndef SF_KERNELS_X86_H
#define SF_KERNELS_X86_H

#include <immintrin.h>

#include "_kernels_c.h"

#if defined(__GNUC__) || defined(__clang__)
#include <cpuid.h>
#define SF_SSE2 __attribute__((target("sse2")))
#define SF_AVX2 __attribute__((target("avx2,fma")))
#define SF_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#else
#include <intrin.h>
#define SF_SSE2
#define SF_AVX2
#define SF_AVX512
#endif

/* ---- SSE2 ---- */

#define SF_LOAD_128(s) _mm_loadu_si128((const __m128i *)(s))
#define SF_STORE_128(d, v) _mm_storeu_si128((__m128i *)(d), v)

SF_SSE2 static inline __m128 sf_load4(const uint8_t *at) { return _mm_castsi128_ps(SF_LOAD_128(at)); }

/* Float32 has too few bits for 32767 s. But 32768 s = t is exact, and so is t - n for n = trunc(t). For positive s the
 * answer is floor(t - s), that is n, or one less if the fraction t - n is below s. */
SF_SSE2 static inline __m128i sf_wire4_sse2(__m128 s) {
    s = _mm_and_ps(s, _mm_cmpord_ps(s, s));
    s = _mm_min_ps(s, _mm_set1_ps(1.0f));
    const __m128 t = _mm_mul_ps(s, _mm_set1_ps(32768.0f));
    const __m128i n = _mm_cvttps_epi32(t);  /* below the range of int32 its minimum, which packing saturates */
    const __m128 fraction = _mm_andnot_ps(_mm_set1_ps(-0.0f), _mm_sub_ps(t, _mm_cvtepi32_ps(n)));
    return _mm_add_epi32(n, _mm_castps_si128(_mm_cmplt_ps(fraction, s)));
}

SF_SSE2 static inline __m128i sf_symmetric4_sse2(__m128 s) {
    const __m128 t = _mm_mul_ps(_mm_and_ps(s, _mm_cmpord_ps(s, s)), _mm_set1_ps(32768.0f));
    return _mm_cvtps_epi32(_mm_min_ps(t, _mm_set1_ps(32767.0f)));
}

SF_MAP(SF_SSE2, sf_f32_to_i16_wire_sse2, __m128i, SF_STORE_128, 4, 8,
       _mm_packs_epi32(sf_wire4_sse2(sf_load4(at)), sf_wire4_sse2(sf_load4(at + 16))),
       sf_f32_to_i16_wire_c(src, dst, n))

SF_MAP(SF_SSE2, sf_f32_to_i16_symmetric_sse2, __m128i, SF_STORE_128, 4, 8,
       _mm_packs_epi32(sf_symmetric4_sse2(sf_load4(at)), sf_symmetric4_sse2(sf_load4(at + 16))),
       sf_f32_to_i16_symmetric_c(src, dst, n))

/* Each sample beside itself: as a pair of int16, or shifted right, as int32. */
SF_SSE2 static inline __m128i sf_twice4_sse2(const uint8_t *at) {
    const __m128i x = _mm_loadl_epi64((const __m128i *)at);
    return _mm_unpacklo_epi16(x, x);
}

SF_SSE2 static inline __m128i sf_to_f32_sse2(const uint8_t *at) {
    const __m128 x = _mm_cvtepi32_ps(_mm_srai_epi32(sf_twice4_sse2(at), 16));
    return _mm_castps_si128(_mm_mul_ps(x, _mm_set1_ps(1.0f / 32768.0f)));
}

SF_MAP(SF_SSE2, sf_i16_to_f32_sse2, __m128i, SF_STORE_128, 2, 4, sf_to_f32_sse2(at), sf_i16_to_f32_c(src, dst, n))

SF_SSE2 static inline __m128i sf_swap8_sse2(__m128i x) {
    return _mm_or_si128(_mm_slli_epi16(x, 8), _mm_srli_epi16(x, 8));
}

SF_MAP(SF_SSE2, sf_swap_i16_sse2, __m128i, SF_STORE_128, 2, 8, sf_swap8_sse2(SF_LOAD_128(at)),
       sf_swap_i16_c(src, dst, n))

SF_SSE2 static inline __m128i sf_mean4_sse2(__m128i x) {
    const __m128i sum = _mm_madd_epi16(x, _mm_set1_epi16(1));
    return _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(1)), 1);
}

SF_MAP(SF_SSE2, sf_stereo_to_mono_i16_sse2, __m128i, SF_STORE_128, 4, 8,
       _mm_packs_epi32(sf_mean4_sse2(SF_LOAD_128(at)), sf_mean4_sse2(SF_LOAD_128(at + 16))),
       sf_stereo_to_mono_i16_c(src, dst, n))

SF_MAP(SF_SSE2, sf_mono_to_stereo_i16_sse2, __m128i, SF_STORE_128, 2, 4, sf_twice4_sse2(at),
       sf_mono_to_stereo_i16_c(src, dst, n))

SF_SSE2 static inline __m128i sf_gain4_sse2(__m128i x, __m128 gain) {
    const __m128 t = _mm_mul_ps(_mm_cvtepi32_ps(x), gain);
    return _mm_cvtps_epi32(_mm_min_ps(t, _mm_set1_ps(32768.0f)));
}

SF_SSE2 static inline __m128i sf_outside4_sse2(__m128i x) {
    return _mm_or_si128(_mm_cmpgt_epi32(x, _mm_set1_epi32(32767)), _mm_cmplt_epi32(x, _mm_set1_epi32(-32768)));
}

/* Masks are summed as bytes into 64 bits, so that no counter can overflow: 510 for every sample that is set. */
SF_SSE2 static inline size_t sf_masks_sse2(__m128i sums) {
    uint64_t sum[2];
    SF_STORE_128(sum, sums);
    return (size_t)((sum[0] + sum[1]) / 510);
}

SF_SSE2 static size_t sf_gain_i16_sse2(const void *src, void *dst, size_t n, float gain) {
    if (n < 8) return sf_gain_i16_c(src, dst, n, gain);
    const uint8_t *s = src;
    uint8_t *d = dst;
    const __m128 factor = _mm_set1_ps(gain);
    __m128i clipped = _mm_setzero_si128();
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i x = SF_LOAD_128(s + 2 * i);
        const __m128i a = sf_gain4_sse2(_mm_srai_epi32(_mm_unpacklo_epi16(x, x), 16), factor);
        const __m128i b = sf_gain4_sse2(_mm_srai_epi32(_mm_unpackhi_epi16(x, x), 16), factor);
        const __m128i outside = _mm_packs_epi32(sf_outside4_sse2(a), sf_outside4_sse2(b));
        clipped = _mm_add_epi64(clipped, _mm_sad_epu8(outside, _mm_setzero_si128()));
        SF_STORE_128(d + 2 * i, _mm_packs_epi32(a, b));
    }
    return sf_masks_sse2(clipped) + sf_gain_i16_c(s + 2 * i, d + 2 * i, n - i, gain);
}

SF_SSE2 static inline __m128i sf_max_u16_sse2(__m128i a, __m128i b) {
    return _mm_add_epi16(a, _mm_subs_epu16(b, a));
}

SF_SSE2 static inline void sf_add_level_sse2(sf_level *out, __m128i squares, __m128i clipped, __m128i top,
                                             __m128i low) {
    uint64_t sum[2];
    SF_STORE_128(sum, squares);
    out->sum_squares += sum[0] + sum[1];
    out->clipped += sf_masks_sse2(clipped);
    /* top is at least zero and low at most: unsigned, both have a magnitude. */
    __m128i peak = sf_max_u16_sse2(top, _mm_sub_epi16(_mm_setzero_si128(), low));
    peak = sf_max_u16_sse2(peak, _mm_srli_si128(peak, 8));
    peak = sf_max_u16_sse2(peak, _mm_srli_si128(peak, 4));
    peak = sf_max_u16_sse2(peak, _mm_srli_si128(peak, 2));
    const uint32_t highest = (uint32_t)_mm_extract_epi16(peak, 0);
    if (highest > out->peak) out->peak = highest;
}

SF_SSE2 static void sf_level_i16_sse2(const void *src, size_t n, sf_level *out) {
    if (n < 8) {
        sf_level_i16_c(src, n, out);
        return;
    }
    const uint8_t *s = src;
    const __m128i zero = _mm_setzero_si128();
    __m128i squares = zero, clipped = zero, top = zero, low = zero;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i x = SF_LOAD_128(s + 2 * i);
        const __m128i ends = _mm_or_si128(_mm_cmpeq_epi16(x, _mm_set1_epi16(32767)),
                                          _mm_cmpeq_epi16(x, _mm_set1_epi16(-32768)));
        const __m128i pairs = _mm_madd_epi16(x, x);  /* up to 2^31, unsigned */
        squares = _mm_add_epi64(squares, _mm_and_si128(pairs, _mm_set1_epi64x(0xFFFFFFFF)));
        squares = _mm_add_epi64(squares, _mm_srli_epi64(pairs, 32));
        clipped = _mm_add_epi64(clipped, _mm_sad_epu8(ends, zero));
        top = _mm_max_epi16(top, x);
        low = _mm_min_epi16(low, x);
    }
    sf_level_i16_c(s + 2 * i, n - i, out);
    sf_add_level_sse2(out, squares, clipped, top, low);
}

static const sf_kernels_t sf_kernels_sse2 = {
    sf_f32_to_i16_wire_sse2, sf_f32_to_i16_symmetric_sse2, sf_i16_to_f32_sse2,         sf_swap_i16_sse2,
    sf_gain_i16_sse2,        sf_level_i16_sse2,            sf_stereo_to_mono_i16_sse2, sf_mono_to_stereo_i16_sse2,
};

/* ---- AVX2 ---- */

#define SF_LOAD_256(s) _mm256_loadu_si256((const __m256i *)(s))
#define SF_STORE_256(d, v) _mm256_storeu_si256((__m256i *)(d), v)

SF_AVX2 static inline __m256 sf_load8(const uint8_t *at) { return _mm256_castsi256_ps(SF_LOAD_256(at)); }

/* Packing works in each half; this puts the quarters in order. */
SF_AVX2 static inline __m256i sf_pack16_avx2(__m256i a, __m256i b) {
    return _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xD8);
}

/* The positive part p, in [2^-60, 1], and the negative part m; one of them counts. min and max return their second
 * operand for NaN.
 *
 * 32767 p is to be rounded down, but the fused operation rounds to nearest. So it also subtracts half a unit in the
 * last place of the product. That is 2^-10 for p in (1/2, 1], and so on by powers of two: the exponent of p less nine,
 * from the bits of p less one. The one tie is p = 1, where 32767 p is an integer, and it goes to the even last place,
 * which is 32767 itself. (For p just above a power of two the product has a finer last place, but there no integer is
 * near enough to matter.) */
SF_AVX2 static inline __m256i sf_wire8_avx2(__m256 s) {
    const __m256 m = _mm256_min_ps(s, _mm256_setzero_ps());
    const __m256 above = _mm256_max_ps(s, _mm256_set1_ps(0x1p-60f));
    /* Positive floats compare as integers, which more of the processor can do. */
    const __m256i bits = _mm256_min_epi32(_mm256_castps_si256(above), _mm256_set1_epi32(0x3F800000));
    const __m256i half = _mm256_and_si256(_mm256_sub_epi32(bits, _mm256_set1_epi32((9 << 23) + 1)),
                                          _mm256_set1_epi32(0x7F800000));
    const __m256 p = _mm256_castsi256_ps(bits);
    const __m256 t = _mm256_fmsub_ps(p, _mm256_set1_ps(32767.0f), _mm256_castsi256_ps(half));
    return _mm256_cvttps_epi32(_mm256_fmadd_ps(m, _mm256_set1_ps(32768.0f), t));
}

SF_AVX2 static inline __m256i sf_symmetric8_avx2(__m256 s) {
    const __m256 t = _mm256_mul_ps(_mm256_and_ps(s, _mm256_cmp_ps(s, s, _CMP_ORD_Q)), _mm256_set1_ps(32768.0f));
    return _mm256_cvtps_epi32(_mm256_min_ps(t, _mm256_set1_ps(32767.0f)));
}

SF_MAP(SF_AVX2, sf_f32_to_i16_wire_avx2, __m256i, SF_STORE_256, 4, 16,
       sf_pack16_avx2(sf_wire8_avx2(sf_load8(at)), sf_wire8_avx2(sf_load8(at + 32))),
       sf_f32_to_i16_wire_sse2(src, dst, n))

SF_MAP(SF_AVX2, sf_f32_to_i16_symmetric_avx2, __m256i, SF_STORE_256, 4, 16,
       sf_pack16_avx2(sf_symmetric8_avx2(sf_load8(at)), sf_symmetric8_avx2(sf_load8(at + 32))),
       sf_f32_to_i16_symmetric_sse2(src, dst, n))

SF_AVX2 static inline __m256i sf_to_f32_avx2(__m128i x) {
    const __m256 wide = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(x));
    return _mm256_castps_si256(_mm256_mul_ps(wide, _mm256_set1_ps(1.0f / 32768.0f)));
}

SF_MAP(SF_AVX2, sf_i16_to_f32_avx2, __m256i, SF_STORE_256, 2, 8, sf_to_f32_avx2(SF_LOAD_128(at)),
       sf_i16_to_f32_sse2(src, dst, n))

SF_AVX2 static inline __m256i sf_swap16_avx2(__m256i x) {
    return _mm256_or_si256(_mm256_slli_epi16(x, 8), _mm256_srli_epi16(x, 8));
}

SF_MAP(SF_AVX2, sf_swap_i16_avx2, __m256i, SF_STORE_256, 2, 16, sf_swap16_avx2(SF_LOAD_256(at)),
       sf_swap_i16_sse2(src, dst, n))

SF_AVX2 static inline __m256i sf_mean8_avx2(__m256i x) {
    const __m256i sum = _mm256_madd_epi16(x, _mm256_set1_epi16(1));
    return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(1)), 1);
}

SF_MAP(SF_AVX2, sf_stereo_to_mono_i16_avx2, __m256i, SF_STORE_256, 4, 16,
       sf_pack16_avx2(sf_mean8_avx2(SF_LOAD_256(at)), sf_mean8_avx2(SF_LOAD_256(at + 32))),
       sf_stereo_to_mono_i16_sse2(src, dst, n))

SF_AVX2 static inline __m256i sf_to_stereo_avx2(__m128i x) {
    const __m256i wide = _mm256_cvtepu16_epi32(x);
    return _mm256_or_si256(wide, _mm256_slli_epi32(wide, 16));
}

SF_MAP(SF_AVX2, sf_mono_to_stereo_i16_avx2, __m256i, SF_STORE_256, 2, 8, sf_to_stereo_avx2(SF_LOAD_128(at)),
       sf_mono_to_stereo_i16_sse2(src, dst, n))

SF_AVX2 static inline __m128i sf_fold_avx2(__m256i sums) {
    return _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}

SF_AVX2 static inline __m256i sf_gain8_avx2(__m128i x, __m256 gain) {
    const __m256 t = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(x)), gain);
    return _mm256_cvtps_epi32(_mm256_min_ps(t, _mm256_set1_ps(32768.0f)));
}

SF_AVX2 static inline __m256i sf_outside8_avx2(__m256i x) {
    return _mm256_or_si256(_mm256_cmpgt_epi32(x, _mm256_set1_epi32(32767)),
                           _mm256_cmpgt_epi32(_mm256_set1_epi32(-32768), x));
}

SF_AVX2 static size_t sf_gain_i16_avx2(const void *src, void *dst, size_t n, float gain) {
    if (n < 16) return sf_gain_i16_sse2(src, dst, n, gain);
    const uint8_t *s = src;
    uint8_t *d = dst;
    const __m256 factor = _mm256_set1_ps(gain);
    __m256i clipped = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m256i a = sf_gain8_avx2(SF_LOAD_128(s + 2 * i), factor);
        const __m256i b = sf_gain8_avx2(SF_LOAD_128(s + 2 * i + 16), factor);
        const __m256i outside = _mm256_packs_epi32(sf_outside8_avx2(a), sf_outside8_avx2(b));
        clipped = _mm256_add_epi64(clipped, _mm256_sad_epu8(outside, _mm256_setzero_si256()));
        SF_STORE_256(d + 2 * i, sf_pack16_avx2(a, b));
    }
    return sf_masks_sse2(sf_fold_avx2(clipped)) + sf_gain_i16_sse2(s + 2 * i, d + 2 * i, n - i, gain);
}

SF_AVX2 static void sf_level_i16_avx2(const void *src, size_t n, sf_level *out) {
    if (n < 16) {
        sf_level_i16_sse2(src, n, out);
        return;
    }
    const uint8_t *s = src;
    const __m256i zero = _mm256_setzero_si256();
    __m256i squares = zero, clipped = zero, top = zero, low = zero;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m256i x = SF_LOAD_256(s + 2 * i);
        const __m256i ends = _mm256_or_si256(_mm256_cmpeq_epi16(x, _mm256_set1_epi16(32767)),
                                             _mm256_cmpeq_epi16(x, _mm256_set1_epi16(-32768)));
        const __m256i pairs = _mm256_madd_epi16(x, x);
        squares = _mm256_add_epi64(squares, _mm256_and_si256(pairs, _mm256_set1_epi64x(0xFFFFFFFF)));
        squares = _mm256_add_epi64(squares, _mm256_srli_epi64(pairs, 32));
        clipped = _mm256_add_epi64(clipped, _mm256_sad_epu8(ends, zero));
        top = _mm256_max_epi16(top, x);
        low = _mm256_min_epi16(low, x);
    }
    sf_level_i16_sse2(s + 2 * i, n - i, out);
    sf_add_level_sse2(out, sf_fold_avx2(squares), sf_fold_avx2(clipped),
                      _mm_max_epi16(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1)),
                      _mm_min_epi16(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)));
}

static const sf_kernels_t sf_kernels_avx2 = {
    sf_f32_to_i16_wire_avx2, sf_f32_to_i16_symmetric_avx2, sf_i16_to_f32_avx2,         sf_swap_i16_avx2,
    sf_gain_i16_avx2,        sf_level_i16_avx2,            sf_stereo_to_mono_i16_avx2, sf_mono_to_stereo_i16_avx2,
};

/* ---- AVX-512: few samples are a block with a mask, a bit for each ---- */

#define SF_STORE_512(d, v) _mm512_storeu_si512(d, v)
#define SF_TOWARD_ZERO (_MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)
#define SF_FIRST(n) ((1u << (n)) - 1)  /* n < 32 */

SF_AVX512 static inline __m512 sf_load16(const uint8_t *at, uint32_t keep) {
    return _mm512_maskz_loadu_ps((__mmask16)keep, at);
}

/* The low 16 bits of each. */
SF_AVX512 static inline __m512i sf_low32_avx512(__m512i a, __m512i b) {
    const __m512i even = _mm512_set_epi16(62, 60, 58, 56, 54, 52, 50, 48, 46, 44, 42, 40, 38, 36, 34, 32,
                                          30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    return _mm512_permutex2var_epi16(a, even, b);
}

/* 32768 c - p, fused and rounded toward zero, cannot reach the next integer. c is s clamped; p is its positive part,
 * or NaN if s is NaN. fixup picks by the kind of s, four bits each: 3 for a NaN, 8 for zero, 0 to leave c. NaN then
 * converts to 0x80000000, of which sf_low32_avx512 keeps the zero. */
SF_AVX512 static inline __m512i sf_wire16_avx512(__m512 s) {
    const __m512 c = _mm512_range_ps(s, _mm512_set1_ps(1.0f), 2);  /* the lesser magnitude, the sign of s */
    const __m512 p = _mm512_fixupimm_ps(c, s, _mm512_set1_epi32(0x08080833), 0);
    return _mm512_cvttps_epi32(_mm512_fmsub_round_ps(c, _mm512_set1_ps(32768.0f), p, SF_TOWARD_ZERO));
}

SF_AVX512 static inline __m512i sf_wire32_avx512(const uint8_t *at, uint32_t keep) {
    return sf_low32_avx512(sf_wire16_avx512(sf_load16(at, keep)), sf_wire16_avx512(sf_load16(at + 64, keep >> 16)));
}

SF_MAP(SF_AVX512, sf_f32_to_i16_wire_avx512, __m512i, SF_STORE_512, 4, 32, sf_wire32_avx512(at, ~0u),
       _mm512_mask_storeu_epi16(d, SF_FIRST(n), sf_wire32_avx512(at, SF_FIRST(n))))

/* The constant comes first, as min and max return their second operand for NaN, which becomes 0 as above. */
SF_AVX512 static inline __m512i sf_symmetric16_avx512(__m512 s) {
    __m512 t = _mm512_mul_ps(s, _mm512_set1_ps(32768.0f));
    t = _mm512_min_ps(_mm512_set1_ps(32767.0f), t);
    t = _mm512_max_ps(_mm512_set1_ps(-32768.0f), t);
    return _mm512_cvtps_epi32(t);
}

SF_AVX512 static inline __m512i sf_symmetric32_avx512(const uint8_t *at, uint32_t keep) {
    return sf_low32_avx512(sf_symmetric16_avx512(sf_load16(at, keep)),
                           sf_symmetric16_avx512(sf_load16(at + 64, keep >> 16)));
}

SF_MAP(SF_AVX512, sf_f32_to_i16_symmetric_avx512, __m512i, SF_STORE_512, 4, 32, sf_symmetric32_avx512(at, ~0u),
       _mm512_mask_storeu_epi16(d, SF_FIRST(n), sf_symmetric32_avx512(at, SF_FIRST(n))))

SF_AVX512 static inline __m512i sf_to_f32_avx512(const uint8_t *at, uint32_t keep) {
    const __m512 x = _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16((__mmask16)keep, at)));
    return _mm512_castps_si512(_mm512_mul_ps(x, _mm512_set1_ps(1.0f / 32768.0f)));
}

SF_MAP(SF_AVX512, sf_i16_to_f32_avx512, __m512i, SF_STORE_512, 2, 16, sf_to_f32_avx512(at, ~0u),
       _mm512_mask_storeu_epi32(d, (__mmask16)SF_FIRST(n), sf_to_f32_avx512(at, SF_FIRST(n))))

SF_AVX512 static inline __m512i sf_swap32_avx512(const uint8_t *at, uint32_t keep) {
    const __m512i x = _mm512_maskz_loadu_epi16(keep, at);
    return _mm512_or_si512(_mm512_slli_epi16(x, 8), _mm512_srli_epi16(x, 8));
}

SF_MAP(SF_AVX512, sf_swap_i16_avx512, __m512i, SF_STORE_512, 2, 32, sf_swap32_avx512(at, ~0u),
       _mm512_mask_storeu_epi16(d, SF_FIRST(n), sf_swap32_avx512(at, SF_FIRST(n))))

static const sf_kernels_t sf_kernels_avx512 = {
    sf_f32_to_i16_wire_avx512, sf_f32_to_i16_symmetric_avx512, sf_i16_to_f32_avx512,       sf_swap_i16_avx512,
    sf_gain_i16_avx2,          sf_level_i16_avx2,              sf_stereo_to_mono_i16_avx2, sf_mono_to_stereo_i16_avx2,
};

/* ---- what the machine has ---- */

static void sf_cpuid(uint32_t leaf, uint32_t out[4]) {
#if defined(__GNUC__) || defined(__clang__)
    if (!__get_cpuid_count(leaf, 0, &out[0], &out[1], &out[2], &out[3])) memset(out, 0, 16);
#else
    int highest[4];
    __cpuid(highest, 0);
    memset(out, 0, 16);
    if (leaf <= (uint32_t)highest[0]) __cpuidex((int *)out, (int)leaf, 0);
#endif
}

/* The register state that the operating system saves. */
static uint32_t sf_xcr0(void) {
#if defined(__GNUC__) || defined(__clang__)
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
#else
    return (uint32_t)_xgetbv(0);
#endif
}

static unsigned sf_x86_available(void) {
    const uint32_t sse2 = 1u << 26;                                                            /* leaf 1, edx */
    const uint32_t fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28;                         /* leaf 1, ecx */
    const uint32_t avx2 = 1u << 5, f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31;  /* leaf 7, ebx */
    uint32_t one[4], seven[4];
    unsigned levels = 0;
    sf_cpuid(1, one);
    sf_cpuid(7, seven);
    if (one[3] & sse2) levels |= 1u << SF_LEVEL_SSE2;
    if (~one[2] & (fma | osxsave | avx)) return levels;
    const uint32_t state = sf_xcr0();
    if ((state & 0x06) == 0x06 && seven[1] & avx2) levels |= 1u << SF_LEVEL_AVX2;
    if ((state & 0xE6) == 0xE6 && !(~seven[1] & (avx2 | f | dq | bw | vl))) levels |= 1u << SF_LEVEL_AVX512;
    return levels;
}

#endif
