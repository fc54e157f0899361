#include "FastPath.h"

namespace kvm_audio {

void FastPath::engage() {
  const std::lock_guard<std::mutex> guard(core_->fastPathLock);
  if (engaged_) return;
  engaged_ = true;
  handedOver_ = false;
  rowCount_ = 0;
  onEngaged();
}

int FastPath::disengage() {
  const std::lock_guard<std::mutex> guard(core_->fastPathLock);
  letGo();
  return rowCount_;
}

void FastPath::handOver() {
  letGo();
  handedOver_ = true;
  wakeJs();
}

void FastPath::letGo() {
  if (!engaged_) return;
  engaged_ = false;
  onDisengaged();
}

}  // namespace kvm_audio
