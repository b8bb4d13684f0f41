/* A thread that calls back as PortAudio's does, but without a pause. It knows nothing of Python. */
#include <pthread.h>
#include <stdint.h>

enum { FRAMES = 64 };

typedef int callback(const void *, void *, unsigned long, const void *, unsigned long, void *);

static callback *called;
static void *user_data;
static pthread_t thread;
static uint64_t calls;
static int stopped;

static void *call_back(void *unused)
{
    float input[FRAMES], output[FRAMES];
    for (int i = 0; i < FRAMES; i++) input[i] = 0.5f;
    for (; !__atomic_load_n(&stopped, __ATOMIC_ACQUIRE); calls++) called(input, output, FRAMES, 0, 0, user_data);
    return unused;
}

#define PUBLIC __attribute__((visibility("default")))

PUBLIC void start_calling(callback *function, void *state)
{
    called = function;
    user_data = state;
    pthread_create(&thread, 0, call_back, 0);
}

PUBLIC uint64_t stop_calling(void)
{
    __atomic_store_n(&stopped, 1, __ATOMIC_RELEASE);
    pthread_join(thread, 0);
    return calls;
}
