#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>

namespace kvm_audio {

// What an addon lends to a thread of another addon's, past JavaScript: the fast paths
// (alsa/FastPath.h) encode, decode and send by these. Who lends one does not use it meanwhile,
// but for a PacketGate, which has a lock of its own.

class PacketEncoder {
 public:
  virtual ~PacketEncoder() = default;
  // Returns the packet's bytes, or a negative OPUS_* code.
  virtual int encodePacket(const int16_t* pcm, int frames, uint8_t* out, int room) = 0;
};

class PacketDecoder {
 public:
  virtual ~PacketDecoder() = default;
  // How many frames the packet decodes to, or a negative OPUS_* code.
  virtual int framesOf(const uint8_t* packet, int bytes) const = 0;
  // Returns the frames written, or a negative OPUS_* code.
  virtual int decodePacket(const uint8_t* packet, int bytes, int16_t* out, int framesMax) = 0;
  // Makes up what is missing; `frames` as for Decoder::conceal. Returns them, or an OPUS_* code.
  virtual int concealMissing(int frames, int16_t* out) = 0;
};

class PacketGate {
 public:
  virtual ~PacketGate() = default;
  // Sends a whole message behind all that was sent before, or nothing of it. Never waits.
  virtual bool sendWhole(const uint8_t* message, int bytes) = 0;
};

// A role in JavaScript's hands; it holds the object as long as it lives.
template <typename Role>
Napi::Value lend(Napi::Env env, const std::shared_ptr<Role>& role) {
  return Napi::External<std::shared_ptr<Role>>::New(
      env, new std::shared_ptr<Role>(role),
      [](Napi::BasicEnv, std::shared_ptr<Role>* held) { delete held; });
}

template <typename Role>
std::shared_ptr<Role> borrowed(const Napi::Value& value) {
  if (!value.IsExternal()) return nullptr;
  return *value.As<Napi::External<std::shared_ptr<Role>>>().Data();
}

}  // namespace kvm_audio
