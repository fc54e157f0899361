#include "FastPath.h"

namespace kvm_audio {

void FastPath::engage(int sourceFd) {
  const std::lock_guard<std::mutex> guard(core_->carrierLock);
  core_->carrier = this;
  core_->isCarried = true;
  core_->sourceFd = sourceFd;
  handedOver_ = false;
  rowCount_ = 0;
  half_ = rows_;
}

int FastPath::disengage() {
  const std::lock_guard<std::mutex> guard(core_->carrierLock);
  if (core_->carrier == this) core_->release();
  return rowCount_;
}

int FastPath::swapLog() {
  const int rows = rowCount_;
  half_ = half_ == rows_ ? rows_ + kRowsMax * rowValues_ : rows_;
  rowCount_ = 0;
  return rows;
}

Carried FastPath::carry() { return handedOver_ ? Carried::kRefused : carryNext(); }

void FastPath::handOver() {
  core_->sourceFd = -1;
  handedOver_ = true;
  wakeJs();
}

}  // namespace kvm_audio
