// How long the disk took of late. To hand a transfer to another thread and to be told of its end takes about as long as a
// fast disk takes for a small one, so the owner of the disk does well to wait for such a one where it stands. Of a disk that is slow, or
// was slow the last time, it must not wait: the thread asks it first.
#pragma once

#include <chrono>

#include "file.h"

namespace walrus {

class RecentLatency {
 public:
  using Clock = std::chrono::steady_clock;

  // Larger ones are worth a thread, however fast the disk is.
  static constexpr std::size_t inlineBytesMax = 64 << 10;

  bool isFast(Transfer::Kind kind, bool isDirect) const {
    if (kind == Transfer::Kind::sync) return fastSync_;
    return isDirect ? fastDirect_ : fastCached_;
  }

  void record(const Transfer& transfer, Clock::duration duration) {
    const bool brief = duration < longest;
    if (transfer.kind == Transfer::Kind::sync) fastSync_ = brief;
    else if (transfer.kind == Transfer::Kind::write) (transfer.isDirect ? fastDirect_ : fastCached_) = brief;
  }

 private:
  static constexpr std::chrono::microseconds longest{300};

  // To copy into the page cache is fast until shown otherwise.
  bool fastCached_ = true;
  bool fastDirect_ = false;
  bool fastSync_ = false;
};

}  // namespace walrus
