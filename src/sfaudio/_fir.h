/* The inner loop of filters and correlations: a dot product in sixteen lanes, which compilers vectorise without reordering sums,
 * so that every build and every chunking gives the same bits. `taps` is a multiple of SF_FIR_LANES.
 */
#ifndef SFAUDIO_FIR_H
#define SFAUDIO_FIR_H

#include <stddef.h>

#define SF_FIR_LANES 16

static inline float sf_dot(const float *a, const float *b, size_t taps)
{
    float lanes[SF_FIR_LANES] = {0};
    for (size_t i = 0; i < taps; i += SF_FIR_LANES)
        for (size_t lane = 0; lane < SF_FIR_LANES; lane++)
            lanes[lane] += a[i + lane] * b[i + lane];
    for (size_t half = SF_FIR_LANES / 2; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++)
            lanes[lane] += lanes[lane + half];
    return lanes[0];
}

#endif
