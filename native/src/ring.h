// A submission ring to the kernel. Knows io_uring and nothing above it: no files by name, no order between
// transfers, no threads. It belongs to the thread that opened it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

struct io_uring_sqe;

namespace walrus {

class Ring {
 public:
  // Opens a ring for `entries` submissions at a time. None, and an errno, if the kernel or a sandbox refuses.
  static std::unique_ptr<Ring> open(unsigned entries, int& failure);
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring();

  // Spare the kernel a look-up, or the pinning of memory, at each transfer. Both are favours: if the kernel refuses
  // (its limit of locked memory, most often), transfers go on without. Return whether it was granted.
  bool registerFile(int fd);
  void forgetFile(int fd);
  bool registerMemory(std::uint8_t* data, std::size_t length);

  // Each takes one entry, and `tag` comes back with its completion. `false` if all entries are taken.
  bool prepareWrite(int fd, const std::uint8_t* data, std::size_t length, std::uint64_t offset, std::uint64_t tag);
  bool prepareRead(int fd, std::uint8_t* data, std::size_t length, std::uint64_t offset, std::uint64_t tag);
  bool prepareSync(int fd, std::uint64_t tag);
  // Completes once the descriptor can be read.
  bool preparePoll(int fd, std::uint64_t tag);

  // Hands over what was prepared; with `wait` returns only once there is a completion, or a signal came. Returns an errno if the
  // kernel refuses the ring itself, 0 if not.
  int submit(bool wait);

  // Calls take(tag, result), result being bytes or a negative errno, for each completion that is there.
  template <typename Take>
  void forEachCompletion(Take take);

  // Once the ring is refused: calls take(tag) for each entry that was prepared and that the kernel has not taken. It never will.
  template <typename Take>
  void forEachUntaken(Take take);

  std::size_t registeredFiles() const { return registeredFiles_; }
  std::size_t registeredBytes() const { return registeredBytes_; }

 private:
  struct Kernel;
  struct Memory {
    std::uint8_t* data;
    std::size_t length;
  };
  struct Result {
    std::uint64_t tag;
    long value;
  };

  Ring();
  bool finish(io_uring_sqe* entry, int fd, std::uint64_t tag);
  int memoryOf(const std::uint8_t* data, std::size_t length) const;
  void collect();
  void collectUntaken();

  std::unique_ptr<Kernel> kernel_;
  std::vector<int> fileSlots_;  // by descriptor: its place in the kernel's table, or -1
  std::vector<int> freeSlots_;
  std::vector<Memory> memories_;
  std::vector<Result> results_;
  std::size_t registeredFiles_ = 0;
  std::size_t registeredBytes_ = 0;
};

template <typename Take>
void Ring::forEachCompletion(Take take) {
  collect();
  for (const Result& result : results_) take(result.tag, result.value);
  results_.clear();
}

template <typename Take>
void Ring::forEachUntaken(Take take) {
  collectUntaken();
  for (const Result& result : results_) take(result.tag);
  results_.clear();
}

}  // namespace walrus
