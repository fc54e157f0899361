#include "PitchControl.h"

#include <algorithm>

#include "clock.h"

namespace kvm_audio {

namespace {

constexpr char kName[] = "Playback Pitch 1000000";
constexpr long kNominal = 1'000'000;
// What is told of a range; a kernel's is -250,000 to 250,000 at most.
constexpr long kPpmMax = 500'000;

constexpr int64_t kChangeNsMin = 250'000'000;
constexpr int64_t kRetryNs = 1'000'000'000;
// A gadget's driver puts it back to nominal whenever the host begins to listen.
constexpr int64_t kLookNs = 1'000'000'000;

}  // namespace

void PitchControl::open(const char* controls, unsigned device, Negotiated& negotiated) {
  close();
  snd_ctl_t* opened = nullptr;
  const int error = calls_(
      "snd_ctl_open", [&] { return snd_ctl_open(&opened, controls, SND_CTL_NONBLOCK); });
  if (error < 0) return;
  controls_.reset(opened);
  if (!find(device)) {
    controls_.reset();
    return;
  }
  negotiated.pitchMinPpm = minPpm_;
  negotiated.pitchMaxPpm = maxPpm_;
  tellRange(minPpm_, maxPpm_);
  set(0, monotonicNs());
}

bool PitchControl::find(unsigned device) {
  snd_ctl_elem_info_t* info = nullptr;
  snd_ctl_elem_value_t* value = nullptr;
  if (snd_ctl_elem_value_malloc(&value) < 0) return false;
  value_.reset(value);
  if (snd_ctl_elem_info_malloc(&info) < 0) return false;
  snd_ctl_elem_info_set_interface(info, SND_CTL_ELEM_IFACE_PCM);
  snd_ctl_elem_info_set_name(info, kName);
  snd_ctl_elem_info_set_device(info, device);
  snd_ctl_elem_value_set_interface(value, SND_CTL_ELEM_IFACE_PCM);
  snd_ctl_elem_value_set_name(value, kName);
  snd_ctl_elem_value_set_device(value, device);
  const int error =
      calls_("snd_ctl_elem_info", [&] { return snd_ctl_elem_info(controls_.get(), info); });
  bool found = error >= 0 && snd_ctl_elem_info_get_type(info) == SND_CTL_ELEM_TYPE_INTEGER &&
               snd_ctl_elem_info_is_writable(info);
  if (found) {
    const long low = snd_ctl_elem_info_get_min(info) - kNominal;
    const long high = snd_ctl_elem_info_get_max(info) - kNominal;
    minPpm_ = static_cast<int32_t>(std::max(low, -kPpmMax));
    maxPpm_ = static_cast<int32_t>(std::min(high, kPpmMax));
    found = minPpm_ <= 0 && maxPpm_ >= 0 && minPpm_ < maxPpm_;
  }
  snd_ctl_elem_info_free(info);
  return found;
}

void PitchControl::close() {
  if (controls_ == nullptr) return;
  if (setPpm_ != 0 || refused_) write(0);
  setPpm_ = 0;
  refused_ = false;
  tellRange(0, 0);
  tellSetting();
  calls_("snd_ctl_close", [this] {
    controls_.reset();
    return 0;
  });
}

void PitchControl::steer(int32_t ppm) {
  if (controls_ == nullptr) return;
  const int64_t nowNs = monotonicNs();
  if (nowNs < nextNs_) return;
  const int32_t wanted = std::clamp(ppm, minPpm_, maxPpm_);
  if (wanted == setPpm_ && !refused_) {
    if (wanted == 0 || nowNs - lookedNs_ < kLookNs) return;
    lookedNs_ = nowNs;
    if (holds()) return;
  }
  set(wanted, nowNs);
}

// One that refuses may still be read; where it cannot, nominal is the best guess.
void PitchControl::set(int32_t ppm, int64_t nowNs) {
  refused_ = !write(ppm);
  if (refused_ && !read(setPpm_)) setPpm_ = 0;
  lookedNs_ = nowNs;
  nextNs_ = nowNs + (refused_ ? kRetryNs : kChangeNsMin);
  tellSetting();
}

bool PitchControl::holds() {
  int32_t ppm = 0;
  return read(ppm) && ppm == setPpm_;
}

bool PitchControl::read(int32_t& ppm) {
  const int error = calls_("snd_ctl_elem_read", [this] {
    return snd_ctl_elem_read(controls_.get(), value_.get());
  });
  if (error < 0) return false;
  ppm = static_cast<int32_t>(snd_ctl_elem_value_get_integer(value_.get(), 0) - kNominal);
  return true;
}

bool PitchControl::write(int32_t ppm) {
  snd_ctl_elem_value_set_integer(value_.get(), 0, kNominal + ppm);
  const int error = calls_("snd_ctl_elem_write", [this] {
    return snd_ctl_elem_write(controls_.get(), value_.get());
  });
  if (error < 0) return false;
  setPpm_ = ppm;
  return true;
}

void PitchControl::tellRange(int32_t minPpm, int32_t maxPpm) {
  memory_.word(StreamMemory::kPitchMinPpm).store(minPpm);
  memory_.word(StreamMemory::kPitchMaxPpm).store(maxPpm);
}

void PitchControl::tellSetting() {
  memory_.word(StreamMemory::kPitchSetPpm).store(setPpm_);
  memory_.word(StreamMemory::kPitchRefused).store(refused_ ? 1 : 0);
}

}  // namespace kvm_audio
