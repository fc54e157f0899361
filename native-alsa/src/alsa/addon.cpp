#include <napi.h>

#include "CaptureFastPath.h"
#include "Environment.h"
#include "PlayoutFastPath.h"
#include "Resampler.h"
#include "Stream.h"
#include "StreamMemory.h"

namespace kvm_audio {
namespace {

// Where TypeScript finds what, so that the numbers stand in one place.
Napi::Object describeLayout(Napi::Env env) {
  using Memory = StreamMemory;
  const struct {
    const char* name;
    int32_t value;
  } entries[] = {
      {"threadIndex", Memory::kThreadIndex},
      {"inCallSince", Memory::kInCallSince},
      {"pitchMinPpm", Memory::kPitchMinPpm},
      {"pitchMaxPpm", Memory::kPitchMaxPpm},
      {"pitchSetPpm", Memory::kPitchSetPpm},
      {"pitchRefused", Memory::kPitchRefused},
      {"jsIndex", Memory::kJsIndex},
      {"slotFrames", Memory::kSlotFrames},
      {"guardFrames", Memory::kGuardFrames},
      {"lowWaterFrames", Memory::kLowWaterFrames},
      {"startSilenceFrames", Memory::kStartSilenceFrames},
      {"endOfStream", Memory::kEndOfStream},
      {"stop", Memory::kStop},
      {"pitchPpm", Memory::kPitchPpm},
      {"pauses", Memory::kPauses},
      {"kick", Memory::kKick},
      {"sequence", Memory::kStatisticsSequence},
      {"statistics", Memory::kStatistics},
      {"statisticCount", Memory::kStatisticCount},
      {"playoutStatisticCount", Memory::kPlayoutStatisticCount},
      {"wakeups", Memory::kWakeups},
      {"pollRounds", Memory::kPollRounds},
      {"pollTimeouts", Memory::kPollTimeouts},
      {"lastProgressUs", Memory::kLastProgressUs},
      {"streaming", Memory::kStreaming},
      {"xruns", Memory::kXruns},
      {"framesMoved", Memory::kFramesMoved},
      {"framesDropped", Memory::kFramesDropped},
      {"slotsFilled", Memory::kSlotsFilled},
      {"ringFullSlots", Memory::kRingFullSlots},
      {"silenceFrames", Memory::kSilenceFrames},
      {"underruns", Memory::kUnderruns},
      {"underrunUs", Memory::kUnderrunUs},
      {"deviceDelayFrames", Memory::kDeviceDelayFrames},
      {"fillFrames", Memory::kFillFrames},
      {"fillUs", Memory::kFillUs},
      {"beyondFrames", Memory::kBeyondFrames},
      {"advancing", Memory::kAdvancing},
      {"stopSeen", Memory::kStopSeen},
      {"headersByteOffset", static_cast<int32_t>(Memory::kHeadersOffset)},
      {"headerBytes", static_cast<int32_t>(sizeof(Memory::SlotHeader))},
      {"slotCountMax", Memory::kSlotCountMax},
      {"fastPathRowsMax", FastPath::kRowsMax},
      {"capturePathValues", CaptureFastPath::kValues},
      {"playoutPathValues", PlayoutFastPath::kValues},
      {"playoutPathState", PlayoutFastPath::kStateValues},
      {"opened", StreamCore::kOpened},
      {"wake", StreamCore::kWake},
      {"failed", StreamCore::kFailed},
      {"ended", StreamCore::kEnded},
  };
  auto layout = Napi::Object::New(env);
  for (const auto& entry : entries) layout.Set(entry.name, entry.value);
  return layout;
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Environment(env));
  exports.Set("Stream", Stream::define(env));
  exports.Set("Resampler", Resampler::define(env));
  exports.Set("CaptureFastPath", CaptureFastPath::define(env));
  exports.Set("PlayoutFastPath", PlayoutFastPath::define(env));
  exports.Set("layout", describeLayout(env));
  return exports;
}

}  // namespace
}  // namespace kvm_audio

static Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  return kvm_audio::initialize(env, exports);
}

NODE_API_MODULE(alsa, Initialize)
