/* An agent that speaks over a network that stalls, for the harnesses of the playout engine. */
#ifndef SPEECH_H
#define SPEECH_H

#include <stdint.h>

/* Seven tenths of each second are a voice of 140 Hz, the rest a quiet room. */
static inline int16_t speech_at(uint64_t frame, int samplerate)
{
    const int rate = samplerate;
    const int phase = (int)(frame % (uint64_t)(rate / 140)), second = (int)(frame % (uint64_t)rate);
    const int noise = (int)((frame * 2654435761u >> 16) % 31) - 15;
    return (int16_t)(second * 10 < rate * 7 ? 8000 - 16000 * phase / (rate / 140) + 20 * noise : noise);
}

/* How many frames have come at this time: in messages of 20 ms, at the pace of the speech, but for a stall of 0.1 to
 * 0.8 s, from the middle of the voice in each fourth second on, after which all comes at once. */
static inline uint64_t speech_due(uint64_t ms, int samplerate)
{
    const uint64_t stall = 100 + 100 * (ms / 4000 % 8), into = (ms + 3700) % 4000;
    const uint64_t until = into < stall ? ms - into : ms;
    return until / 20 * 20 * (uint64_t)samplerate / 1000;
}

#endif
