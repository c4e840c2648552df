// How long a thread spins, looking out for work, before it parks. To be woken takes as long as a fast disk takes to write, so a
// thread that is called on again at once spins for a moment; one that is not, parks.
#pragma once

#include <atomic>
#include <chrono>

namespace walrus {

class AdaptiveSpin {
 public:
  // Returns when the flag is up, or the time is up, or spinning has not been worth it lately.
  void spin(const std::atomic<bool>& flag) {
    if (!worthwhile_) return;
    const Clock::time_point end = Clock::now() + longest;
    while (!flag.load(std::memory_order_acquire)) {
      if (Clock::now() < end) continue;
      worthwhile_ = false;
      return;
    }
  }

  // Runs what sleeps. If that was short, spinning would have been better.
  template <typename Sleep>
  void park(Sleep asleep) {
    const Clock::time_point start = Clock::now();
    asleep();
    worthwhile_ = Clock::now() - start < longest;
  }

 private:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::microseconds longest{30};

  bool worthwhile_ = false;
};

}  // namespace walrus
