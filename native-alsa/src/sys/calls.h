#pragma once

#include <napi.h>

namespace kvm_audio {

// System calls that Node does not offer. Each returns what the call returns, or -errno.

// (path, mode, backlog) -> a listening Unix stream socket that nobody accepts on yet.
Napi::Value listenUnix(const Napi::CallbackInfo& info);
// () -> [fd, fd], two connected Unix stream sockets.
Napi::Value socketPair(const Napi::CallbackInfo& info);
// (fd) -> another descriptor for the same.
Napi::Value duplicate(const Napi::CallbackInfo& info);
// (fd) -> {pid, uid, gid, groups} of the process that connected, as it was then.
Napi::Value peer(const Napi::CallbackInfo& info);
// (path) -> a descriptor that holds an exclusive lock on this file or folder; EWOULDBLOCK.
Napi::Value lock(const Napi::CallbackInfo& info);
// (signal) -> the parent's id. The signal is sent to this process when its parent dies.
Napi::Value endWithParent(const Napi::CallbackInfo& info);
// (pid) -> user and system time of all threads of a process so far, in milliseconds.
Napi::Value processCpuMs(const Napi::CallbackInfo& info);
// () -> {pageBytes, memoryBytes}: what /proc counts memory in, and how much there is.
Napi::Value machine(const Napi::CallbackInfo& info);

}  // namespace kvm_audio
