#include "startThread.h"

#include <csignal>
#include <cstddef>

namespace kvm_audio {

namespace {

constexpr std::size_t kStackBytes = 1024 * 1024;

}  // namespace

int startThread(pthread_t* thread, const char* name, void* (*body)(void*), void* argument) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(thread, &attributes, body, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error == 0) pthread_setname_np(*thread, name);
  return error;
}

}  // namespace kvm_audio
