#include "CaptureFastPath.h"

#include "../views.h"
#include "Stream.h"
#include "clock.h"

namespace kvm_audio {

Napi::Function CaptureFastPath::define(Napi::Env env) {
  return DefineClass(env, "CaptureFastPath",
                     {
                         InstanceMethod<&CaptureFastPath::engageWith>("engage"),
                         InstanceMethod<&CaptureFastPath::disengageTo>("disengage"),
                     });
}

CaptureFastPath::CaptureFastPath(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<CaptureFastPath>(info),
      FastPath(Stream::Unwrap(info[0].As<Napi::Object>())->core(), doubleView(info[1]).data,
               kValues),
      rowsReference_(Napi::Reference<Napi::Value>::New(info[1], 1)) {
  if (doubleView(info[1]).length >= static_cast<size_t>(kRowsMax) * kValues) return;
  Napi::Error::New(info.Env(), "the rows find no room").ThrowAsJavaScriptException();
}

Napi::Value CaptureFastPath::engageWith(const Napi::CallbackInfo& info) {
  encoder_ = borrowed<PacketEncoder>(info[0]);
  gates_.clear();
  const auto gates = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < gates.Length(); i++) {
    gates_.push_back(borrowed<PacketGate>(gates.Get(i)));
  }
  packetReference_ = Napi::Reference<Napi::Value>::New(info[2], 1);
  packet_ = byteView(info[2]).data;
  index_ = intOr(info[3], 0);
  slotFrames_ = intOr(info[4], 0);
  next_.seq = info[5].As<Napi::Number>().Uint32Value();
  next_.mediaTime = static_cast<uint64_t>(info[6].As<Napi::Number>().Int64Value());
  unsentFrom_ = -1;
  tellRows_ = intOr(info[7], 1);
  engage();
  return info.Env().Undefined();
}

Napi::Value CaptureFastPath::disengageTo(const Napi::CallbackInfo& info) {
  const int rows = disengage();
  const auto state = viewOf<int32_t>(info[0], napi_int32_array);
  state.data[0] = index_;
  state.data[1] = unsentFrom_;
  state.data[2] = next_.payloadBytes;
  gates_.clear();
  encoder_.reset();
  packetReference_.Reset();
  return Napi::Number::New(info.Env(), rows);
}

Carried CaptureFastPath::carryNext() {
  StreamMemory& memory = core_->memory;
  while (memory.word(StreamMemory::kThreadIndex) != index_) {
    if (carrySlot(memory.header(index_))) continue;
    handOver();
    return Carried::kDone;
  }
  if (rowCount_ >= tellRows_) {
    tellRows_ = INT32_MAX;
    wakeJs();
  }
  return Carried::kDone;
}

bool CaptureFastPath::carrySlot(const StreamMemory::SlotHeader& header) {
  double* const row = nextRow();
  if (row == nullptr || header.discontinuity != 0 || header.frames != slotFrames_) return false;
  row[kTimeUs] = header.timeUs;
  row[kLateUs] = header.lateUs;
  row[kPositionFrames] = header.positionFrames;
  row[kStartUs] = monotonicUs();
  const int bytes =
      encoder_->encodePacket(core_->memory.samples(index_), header.frames,
                            packet_ + kPacketHeaderBytesMax, kPayloadBytesMax);
  if (bytes < 1) return false;
  row[kEncodedUs] = monotonicUs();
  row[kPayloadBytes] = next_.payloadBytes = bytes;
  next_.captureTimeUs = static_cast<uint64_t>(header.timeUs + 0.5);
  next_.flags = bytes <= kDtxBytesMax ? kFlagDtx : 0;
  const int length = writePacketHeader(packet_, next_);
  for (std::size_t i = 0; i < gates_.size() && unsentFrom_ < 0; i++) {
    if (!gates_[i]->sendWhole(packet_, length)) unsentFrom_ = static_cast<int>(i);
  }
  row[kSentUs] = monotonicUs();
  next_.seq++;
  next_.mediaTime += static_cast<uint64_t>(header.frames);
  index_ = core_->memory.next(index_);
  core_->memory.word(StreamMemory::kJsIndex) = index_;
  rowCount_++;
  return unsentFrom_ < 0;
}

}  // namespace kvm_audio
