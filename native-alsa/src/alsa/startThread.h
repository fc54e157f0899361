#pragma once

#include <pthread.h>

namespace kvm_audio {

// A thread that no signal interrupts: those are Node's. 0 or an errno. `name` has 15 characters.
int startThread(pthread_t* thread, const char* name, void* (*body)(void*), void* argument);

}  // namespace kvm_audio
