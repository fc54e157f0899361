#pragma once

#include <cstdint>
#include <string>

namespace kvm_audio {

enum class Direction { kCapture, kPlayback };

// What TypeScript validated and asked for. All lengths in frames of `rate`.
struct StreamOptions {
  Direction direction = Direction::kCapture;
  std::string device;
  unsigned rate = 48000;
  unsigned channels = 2;
  unsigned cardRate = 0;  // measured: the card's frames come at this rate, whatever it says
  unsigned periodFrames = 0;
  unsigned bufferFrames = 0;
  int32_t slotFrames = 0;
  int32_t slotFramesMax = 0;
  int32_t slotCount = 0;
  int schedFifoPriority = 0;
  int32_t guardFrames = 0;
  int32_t lowWaterFrames = 0;
  int32_t startSilenceFrames = 0;
};

// What the device granted, in its own shape and frames. Written by the device thread before it
// announces `opened`.
struct Negotiated {
  unsigned rate = 0;
  unsigned channels = 0;
  const char* format = "";  // as libasound names it
  unsigned periodFrames = 0;
  unsigned bufferFrames = 0;
  unsigned heldFrames = 0;  // of the stream: CardEdge::heldFrames()
  int pitchMinPpm = 0;      // of the card's own pitch control; 0 and 0 = it has none
  int pitchMaxPpm = 0;
  char cardName[96] = "";
  int priorityErrno = 0;
};

// Why the stream ended. Written by the device thread before it announces `failed`.
struct Failure {
  const char* code = "";  // one of AlsaError's codes
  const char* call = "";  // the libasound function
  int error = 0;          // positive errno
  bool deviceGone = false;
  bool retryable = false;
  char detail[384] = "";
};

}  // namespace kvm_audio
