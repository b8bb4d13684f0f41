/* CPU time that one callback of PortAudio's kind takes, and a bare loop, on the clock of the thread. */
#include <stdint.h>
#include <time.h>

typedef int callback(const void *input, void *output, unsigned long frames, const void *times,
                     unsigned long flags, void *userdata);

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t time_callback(callback *call, void *userdata, float *output, unsigned long frames)
{
    const uint64_t began = cpu_ns();
    call(0, output, frames, 0, 0, userdata);
    return cpu_ns() - began;
}

uint64_t time_loop(uint64_t turns)
{
    static volatile uint64_t kept;
    const uint64_t began = cpu_ns();
    uint64_t x = began;
    for (uint64_t i = 0; i < turns; i++)
        x = x * 6364136223846793005u + 1442695040888963407u;
    kept = x;
    return cpu_ns() - began;
}
