// What is known of the blocks of a file that was made here and is written from its begin to its end. Preallocated blocks are
// marked unwritten, and a sync has to change that mark on the disk for each first write to some; so a little of what lies
// ahead of small synced writes is written with zeros beforehand, which changes the marks of many at once.
#pragma once

#include <algorithm>
#include <cstdint>

#include "file.h"

namespace walrus {

class ZeroFill {
 public:
  // So much is filled at once: it delays a write that meets it, one in a hundred of the smallest.
  static constexpr std::uint64_t stepBytes = 512 << 10;

  struct Range {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;

    bool meets(std::uint64_t otherOffset, std::uint64_t otherLength) const {
      return otherOffset < offset + length && offset < otherOffset + otherLength;
    }
  };

  void created() { isCreated_ = true; }
  void preallocated(std::uint64_t sizeBytes) { preallocatedTo_ = std::max(preallocatedTo_, sizeBytes); }

  void writing(std::uint64_t offset, std::uint64_t length) {
    writtenTo_ = std::max(writtenTo_, offset + length);
    isSmall_ = length <= smallBytes;
  }

  // After a sync: whether something is to be filled.
  bool isDue() const {
    const std::uint64_t from = begin();
    const bool isNear = from < writtenTo_ + marginBytes;
    return isCreated_ && isSmall_ && isNear && from + directAlignment <= preallocatedTo_;
  }

  // What to fill now, if it is due; it counts as filled. Bytes there are zeros and nobody writes them.
  Range next() {
    if (!isDue()) return {};
    const std::uint64_t from = begin();
    const std::uint64_t length = std::min(stepBytes, preallocatedTo_ - from) / directAlignment * directAlignment;
    zeroFilledTo_ = from + length;
    return {from, length};
  }

 private:
  // Of a larger write, writing twice costs more than the mark does.
  static constexpr std::uint64_t smallBytes = 16 << 10;
  static constexpr std::uint64_t marginBytes = 64 << 10;

  std::uint64_t begin() const { return std::max(zeroFilledTo_, alignedUp(writtenTo_)); }

  static std::uint64_t alignedUp(std::uint64_t offset) {
    return (offset + directAlignment - 1) / directAlignment * directAlignment;
  }

  bool isCreated_ = false;
  bool isSmall_ = false;
  std::uint64_t preallocatedTo_ = 0;
  std::uint64_t writtenTo_ = 0;
  std::uint64_t zeroFilledTo_ = 0;
};

}  // namespace walrus
