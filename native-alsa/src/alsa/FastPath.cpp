#include "FastPath.h"

namespace kvm_audio {

void FastPath::engage(int sourceFd) {
  const std::lock_guard<std::mutex> guard(core_->carrierLock);
  core_->carrier = this;
  core_->sourceFd = sourceFd;
  handedOver_ = false;
  rowCount_ = 0;
}

int FastPath::disengage() {
  const std::lock_guard<std::mutex> guard(core_->carrierLock);
  letGo();
  return rowCount_;
}

void FastPath::handOver() {
  letGo();
  handedOver_ = true;
  wakeJs();
}

void FastPath::letGo() {
  if (core_->carrier != this) return;
  core_->carrier = nullptr;
  core_->sourceFd = -1;
}

}  // namespace kvm_audio
