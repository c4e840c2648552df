// The engine of plain system calls: transfers run one after the other on the calling thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include "io_engine.h"

namespace walrus {

class PwriteEngine final : public IoEngine {
 public:
  void start(Transfer& transfer) override;
  // Runs a group of transfers, so that what is done can be told before the next group is begun.
  void reap(std::vector<Transfer*>& finished, bool wait) override;
  void wake() override;

 private:
  std::deque<Transfer*> started_;
  std::mutex mutex_;
  std::condition_variable condition_;
  bool woken_ = false;
};

}  // namespace walrus
