#pragma once

#include <napi.h>

namespace kvm_audio {

// () -> 0 or -errno. What the program has of code and constants in memory, and was needed once, is
// given back, on a thread of its own: the kernel maps it again where it is touched. Nothing is lost
// by it: only mappings of the program's file are looked at that cannot be written and have not one
// page of their own; they stay where they are as long as the process lives. Then malloc gives back
// what was freed.
Napi::Value unmapUnused(const Napi::CallbackInfo& info);

}  // namespace kvm_audio
