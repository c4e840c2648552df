#include "pwrite_engine.h"

namespace walrus {

namespace {

// A group ends with so many bytes or with a sync: what is small is told of together, and a large transfer is not kept
// waiting for the next one.
constexpr std::size_t groupBytes = 64 << 10;

}  // namespace

void PwriteEngine::start(Transfer& transfer) { started_.push_back(&transfer); }

void PwriteEngine::reap(std::vector<Transfer*>& finished, bool wait) {
  if (wait && started_.empty()) {
    std::unique_lock lock(mutex_);
    condition_.wait(lock, [this] { return woken_; });
    woken_ = false;
  }
  std::size_t bytes = 0;
  while (!started_.empty() && bytes < groupBytes) {
    Transfer& transfer = *started_.front();
    runToEnd(transfer, retries);
    started_.pop_front();
    finished.push_back(&transfer);
    if (transfer.kind == Transfer::Kind::sync) return;
    bytes += transfer.done;
  }
}

void PwriteEngine::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  condition_.notify_one();
}

}  // namespace walrus
