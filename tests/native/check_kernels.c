/* Checks every kernel at every level this machine has against plain definitions.
 *
 *     cc -O3 -ffp-contract=off -fno-math-errno tests/native/check_kernels.c -o check_kernels -lm
 *     ./check_kernels [--all]
 *
 * --all: float to int16 for all 2^32 bit patterns, rather than the neighbourhood of every rounding boundary. */
#include <stdio.h>
#include <stdlib.h>

#include "../../src/sfaudio/_kernels.h"

static int failures;
static const char *level;

#define CHECK(condition, ...)                        \
    do {                                             \
        if (!(condition) && failures++ < 20) {       \
            printf("FAILED at level %s: ", level);   \
            printf(__VA_ARGS__);                     \
            putchar('\n');                           \
        }                                            \
    } while (0)

static void *allocate(size_t size) {
    void *memory = malloc(size ? size : 1);
    if (!memory) abort();
    return memory;
}

static uint32_t random_u32(void) {
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

/* ---- the definitions ---- */

static int16_t wire(float s) {
    if (isnan(s)) return 0;
    const double clamped = s < -1 ? -1 : s > 1 ? 1 : s;
    return (int16_t)(clamped < 0 ? clamped * 32768.0 : clamped * 32767.0);
}

static int16_t saturated(double x) { return (int16_t)(x < -32768 ? -32768 : x > 32767 ? 32767 : x); }

static int16_t symmetric(float s) { return isnan(s) ? 0 : saturated(rint(s * 32768.0)); }

static int16_t mean(const int16_t *x, int channels) {
    double sum = 0;
    for (int j = 0; j < channels; j++) sum += x[j];
    return (int16_t)floor((2 * sum + channels) / (2.0 * channels));
}

enum { WIRE, SYMMETRIC, TO_FLOAT, SWAP, TO_MONO, TO_STEREO, MAPS };
static const char *const map_names[] = {"f32_to_i16_wire", "f32_to_i16_symmetric", "i16_to_f32",
                                        "swap_i16",        "stereo_to_mono_i16",   "mono_to_stereo_i16"};
static const size_t bytes_in[] = {4, 4, 2, 2, 4, 2}, bytes_out[] = {2, 2, 4, 2, 2, 4};

static void run_map(int map, const void *src, void *dst, size_t n) {
    switch (map) {
    case WIRE: sf_kernels()->f32_to_i16_wire(src, dst, n); break;
    case SYMMETRIC: sf_kernels()->f32_to_i16_symmetric(src, dst, n); break;
    case TO_FLOAT: sf_kernels()->i16_to_f32(src, dst, n); break;
    case SWAP: sf_kernels()->swap_i16(src, dst, n); break;
    case TO_MONO: sf_kernels()->stereo_to_mono_i16(src, dst, n); break;
    case TO_STEREO: sf_kernels()->mono_to_stereo_i16(src, dst, n); break;
    }
}

static void define_map(int map, const void *src, void *dst, size_t n) {
    const float *floats = src;
    const int16_t *ints = src;
    int16_t *out = dst;
    for (size_t i = 0; i < n; i++) {
        switch (map) {
        case WIRE: out[i] = wire(floats[i]); break;
        case SYMMETRIC: out[i] = symmetric(floats[i]); break;
        case TO_FLOAT: ((float *)dst)[i] = (float)(ints[i] / 32768.0); break;
        case SWAP: out[i] = (int16_t)((uint16_t)ints[i] / 256 + (uint16_t)ints[i] % 256 * 256); break;
        case TO_MONO: out[i] = mean(ints + 2 * i, 2); break;
        case TO_STEREO: out[2 * i] = out[2 * i + 1] = ints[i]; break;
        }
    }
}

static size_t define_gain(const int16_t *src, int16_t *dst, size_t n, float gain) {
    size_t clipped = 0;
    for (size_t i = 0; i < n; i++) {
        const float product = src[i] * gain;
        const double rounded = rint(product);
        dst[i] = saturated(rounded);
        clipped += dst[i] != rounded;
    }
    return clipped;
}

static sf_level define_level(const int16_t *src, size_t n) {
    sf_level out = {0, 0, 0};
    for (size_t i = 0; i < n; i++) {
        const int64_t x = src[i];
        out.sum_squares += (uint64_t)(x * x);
        out.clipped += x == 32767 || x == -32768;
        if (llabs(x) > out.peak) out.peak = (uint32_t)llabs(x);
    }
    return out;
}

/* ---- values ---- */

static void check_floats(const float *src, size_t n) {
    int16_t *expected = allocate(2 * n), *got = allocate(2 * n);
    for (int map = WIRE; map <= SYMMETRIC; map++) {
        define_map(map, src, expected, n);
        for (int i = 0; i < SF_LEVELS; i++) {
            if (sf_kernels_force(i) < 0) continue;
            level = sf_level_names[i];
            run_map(map, src, got, n);
            if (memcmp(got, expected, 2 * n) == 0) continue;
            for (size_t j = 0; j < n; j++) {
                CHECK(got[j] == expected[j], "%s of 0x%08x is %d, not %d", map_names[map], (unsigned)bits_of(src[j]),
                      got[j], expected[j]);
            }
        }
    }
    free(expected);
    free(got);
}

enum { CHUNK = 1 << 16 };

static void check_all_floats(void) {
    static float src[CHUNK];
    for (uint64_t base = 0; base < (uint64_t)1 << 32; base += CHUNK) {
        for (uint32_t i = 0; i < CHUNK; i++) src[i] = float_of((uint32_t)base + i);
        check_floats(src, CHUNK);
    }
}

static void check_some_floats(void) {
    const size_t most = 4000000;
    float *src = allocate(4 * most);
    size_t n = 0;
    /* Three floats to either side of each value at which a result can change. */
    for (int k = -32770; k <= 32770; k++) {
        const float boundaries[] = {(float)(k / 32767.0), (float)(k / 32768.0), (float)((k + 0.5) / 32768.0)};
        for (int j = 0; j < 3; j++) {
            for (uint32_t away = 0; away < 7; away++) src[n++] = float_of(bits_of(boundaries[j]) + away - 3);
        }
    }
    /* Denormals, values near one, infinities and NaNs of either sign, thinned out; then everything, more so. */
    const uint32_t blocks[] = {0x00, 0x3E, 0x3F, 0x7F, 0x80, 0xBE, 0xBF, 0xFF};
    for (int j = 0; j < 8; j++) {
        for (uint32_t i = 0; i < 1 << 24; i += 251) src[n++] = float_of(blocks[j] << 24 | i);
        src[n++] = float_of(blocks[j] << 24 | 0x800000);
    }
    for (uint64_t bits = 0; bits < (uint64_t)1 << 32; bits += 9973) src[n++] = float_of((uint32_t)bits);
    if (n > most) abort();
    check_floats(src, n);
    free(src);
}

static void check_ints(void) {
    enum { N = 65536 };
    static int16_t src[2 * N];
    int16_t *expected = allocate(4 * N), *got = allocate(4 * N);
    for (int i = 0; i < N; i++) src[i] = (int16_t)(i - 32768);
    for (int i = N; i < 2 * N; i++) {
        src[i] = random_u32() % 4 ? (int16_t)random_u32() : random_u32() % 2 ? 32767 : -32768;
    }

    for (int map = TO_FLOAT; map <= TO_STEREO; map++) {
        define_map(map, src, expected, N);
        run_map(map, src, got, N);
        CHECK(memcmp(got, expected, N * bytes_out[map]) == 0, "%s", map_names[map]);
    }

    const float gains[] = {0, 1, -1, 0.5f, -0.5f, 0.25f, 1.5f, 2, 0.7f, 32767, 65536.5f, 1e-40f, 3e38f, -3e38f};
    const int chosen = sizeof gains / sizeof *gains;
    for (int i = 0; i < 200; i++) {
        const float gain = i < chosen ? gains[i] : ((float)random_u32() / 4294967296.0f - 0.5f) * 5;
        const size_t clipped = define_gain(src, expected, 2 * N, gain);
        const size_t counted = sf_kernels()->gain_i16(src, got, 2 * N, gain);
        CHECK(counted == clipped, "gain_i16 by %.9g clips %zu, not %zu", gain, counted, clipped);
        CHECK(memcmp(got, expected, 4 * N) == 0, "gain_i16 by %.9g", gain);
    }

    for (int channels = 1; channels <= 9; channels++) {
        const size_t frames = 2 * N / (size_t)channels;
        for (size_t i = 0; i < frames; i++) expected[i] = mean(src + i * (size_t)channels, channels);
        sf_mono_i16(src, got, frames, channels);
        CHECK(memcmp(got, expected, 2 * frames) == 0, "sf_mono_i16, %d channels", channels);
        sf_spread_i16(src, got, frames, channels);
        for (size_t i = 0; i < frames * (size_t)channels; i++) {
            CHECK(got[i] == src[i / (size_t)channels], "sf_spread_i16, %d channels, at %zu", channels, i);
        }
    }
    free(expected);
    free(got);

    /* Where 32 bits of squares or 16 bits of counts would overflow. */
    static int16_t loud[300000];
    for (size_t i = 0; i < 300000; i++) loud[i] = -32768;
    sf_level got_level;
    sf_kernels()->level_i16(loud, 300000, &got_level);
    CHECK(got_level.sum_squares == (uint64_t)300000 << 30 && got_level.clipped == 300000 && got_level.peak == 32768,
          "level_i16 of full scale");
}

/* ---- every size at every alignment, and nothing written outside ---- */

enum { SIZES = 201, ALIGNMENTS = 64, GUARD = 64, FILL = 0xA5 };

static int guarded(const uint8_t *buffer, size_t offset, size_t size) {
    int intact = 1;
    for (size_t i = 0; i < offset; i++) intact &= buffer[i] == FILL;
    for (size_t i = offset + size; i < offset + size + GUARD; i++) intact &= buffer[i] == FILL;
    return intact;
}

static void check_shapes(void) {
    static float values[SIZES];
    static int16_t samples[2 * SIZES], scaled[SIZES];
    static uint8_t dst[GUARD + ALIGNMENTS + 4 * SIZES + GUARD];
    void *expected = allocate(4 * SIZES);
    for (int i = 0; i < SIZES; i++) {
        values[i] = (float)(int32_t)random_u32() / 2e9f;
        samples[i] = i % 7 == 0 ? 32767 : i % 11 == 0 ? -32768 : (int16_t)random_u32();
        samples[SIZES + i] = (int16_t)random_u32();
    }
    for (size_t n = 0; n < SIZES; n++) {
        for (size_t alignment = 0; alignment < ALIGNMENTS; alignment++) {
            const size_t src_offset = alignment * 13 % ALIGNMENTS, dst_offset = GUARD + alignment;
            for (int map = 0; map < MAPS; map++) {
                const size_t size = n * bytes_out[map];
                const void *input = map <= SYMMETRIC ? (const void *)values : samples;
                define_map(map, input, expected, n);
                /* Exactly as large as it must be, for the address sanitizer. */
                uint8_t *src = allocate(src_offset + n * bytes_in[map]);
                memcpy(src + src_offset, input, n * bytes_in[map]);
                memset(dst, FILL, sizeof dst);
                run_map(map, src + src_offset, dst + dst_offset, n);
                CHECK(memcmp(dst + dst_offset, expected, size) == 0 && guarded(dst, dst_offset, size),
                      "%s, n %zu, alignment %zu", map_names[map], n, alignment);
                free(src);
            }

            const size_t clipped = define_gain(samples, scaled, n, 1.5f);
            const sf_level level_expected = define_level(samples, n);
            uint8_t *src = allocate(src_offset + 2 * n);
            memcpy(src + src_offset, samples, 2 * n);
            memset(dst, FILL, sizeof dst);
            size_t counted = sf_kernels()->gain_i16(src + src_offset, dst + dst_offset, n, 1.5f);
            CHECK(counted == clipped && memcmp(dst + dst_offset, scaled, 2 * n) == 0 && guarded(dst, dst_offset, 2 * n),
                  "gain_i16, n %zu, alignment %zu", n, alignment);
            sf_level got;
            sf_kernels()->level_i16(src + src_offset, n, &got);
            CHECK(got.sum_squares == level_expected.sum_squares && got.clipped == level_expected.clipped &&
                  got.peak == level_expected.peak, "level_i16, n %zu, alignment %zu", n, alignment);

            /* In place. */
            define_map(SWAP, samples, expected, n);
            sf_kernels()->swap_i16(src + src_offset, src + src_offset, n);
            CHECK(memcmp(src + src_offset, expected, 2 * n) == 0, "swap_i16 in place, n %zu, alignment %zu", n,
                  alignment);
            memcpy(src + src_offset, samples, 2 * n);
            counted = sf_kernels()->gain_i16(src + src_offset, src + src_offset, n, 1.5f);
            CHECK(counted == clipped && memcmp(src + src_offset, scaled, 2 * n) == 0,
                  "gain_i16 in place, n %zu, alignment %zu", n, alignment);
            free(src);
        }
    }
    free(expected);
}

int main(int argc, char **argv) {
    const int all = argc > 1 && strcmp(argv[1], "--all") == 0;
    if (all) {
        check_all_floats();
    } else {
        check_some_floats();
    }
    for (int i = 0; i < SF_LEVELS; i++) {
        if (sf_kernels_force(i) < 0) continue;
        level = sf_level_names[i];
        check_ints();
        check_shapes();
        printf("checked %s\n", level);
    }
    const char *best = "c";
    for (int i = 0; i < SF_LEVELS; i++) {
        if (sf_kernels_available() >> i & 1) best = sf_level_names[i];
    }
    sf_kernels_init();
    level = best;
    CHECK(strcmp(sf_level_names[sf_kernels_level()], best) == 0, "sf_kernels_init chose another level");
    CHECK(sf_kernels_force(-1) < 0 && sf_kernels_force(SF_LEVELS) < 0, "a level out of range was accepted");
    return failures != 0;
}
