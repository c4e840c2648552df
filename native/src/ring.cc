#include "ring.h"

#ifdef WALRUS_LIBURING
#include <liburing.h>
#else
#include "uring_syscalls.h"
#endif
#include <poll.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace walrus {

namespace {

// What one entry can carry: the kernel moves no more in one go, and its length field has 32 bits.
constexpr std::size_t entryBytesMax = std::size_t{1} << 30;
constexpr unsigned fileTableSize = 256;
constexpr unsigned memoryTableSize = 8;

// From the newest flags to none: completions are posted when this thread is in the kernel anyway, which spares interruptions;
// kernels before 6.0 and 5.19 refuse that with EINVAL. Not IORING_SETUP_DEFER_TASKRUN: completions would then be posted within
// io_uring_enter alone, and not at all once that is refused.
constexpr unsigned setups[] = {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN, IORING_SETUP_COOP_TASKRUN, 0};

}  // namespace

struct Ring::Kernel {
  io_uring ring{};
  bool isOpen = false;
};

Ring::Ring() : kernel_(std::make_unique<Kernel>()) {}

std::unique_ptr<Ring> Ring::open(unsigned entries, int& failure) {
  std::unique_ptr<Ring> ring(new Ring());
  Kernel& kernel = *ring->kernel_;
  for (const unsigned flags : setups) {
    io_uring_params parameters{};
    parameters.flags = flags;
    failure = -io_uring_queue_init_params(entries, &kernel.ring, &parameters);
    if (failure == EINVAL) continue;
    if (failure != 0) return nullptr;
    kernel.isOpen = true;
    break;
  }
  if (!kernel.isOpen) return nullptr;
  // Reads and writes of plain memory came with this (5.6), and so did never losing a completion (5.5).
  if ((kernel.ring.features & IORING_FEAT_RW_CUR_POS) == 0) {
    failure = ENOSYS;
    return nullptr;
  }
  if (io_uring_register_files_sparse(&kernel.ring, fileTableSize) == 0) {
    for (unsigned slot = fileTableSize; slot > 0; slot--) {
      ring->freeSlots_.push_back(static_cast<int>(slot - 1));
    }
  }
  io_uring_register_buffers_sparse(&kernel.ring, memoryTableSize);  // if not, registerMemory fails as well
  // A sandbox may permit the setup and refuse what follows.
  failure = ring->submit(false);
  return failure == 0 ? std::move(ring) : nullptr;
}

Ring::~Ring() {
  if (kernel_->isOpen) io_uring_queue_exit(&kernel_->ring);
}

bool Ring::registerFile(int fd) {
  if (freeSlots_.empty()) return false;
  const int slot = freeSlots_.back();
  if (io_uring_register_files_update(&kernel_->ring, static_cast<unsigned>(slot), &fd, 1) != 1) return false;
  freeSlots_.pop_back();
  const std::size_t at = static_cast<std::size_t>(fd);
  if (fileSlots_.size() <= at) fileSlots_.resize(at + 1, -1);
  fileSlots_[at] = slot;
  registeredFiles_++;
  return true;
}

void Ring::forgetFile(int fd) {
  const std::size_t at = static_cast<std::size_t>(fd);
  if (at >= fileSlots_.size() || fileSlots_[at] < 0) return;
  const int slot = std::exchange(fileSlots_[at], -1);
  int none = -1;
  io_uring_register_files_update(&kernel_->ring, static_cast<unsigned>(slot), &none, 1);
  freeSlots_.push_back(slot);
  registeredFiles_--;
}

bool Ring::registerMemory(std::uint8_t* data, std::size_t length) {
  if (memories_.size() == memoryTableSize || length > entryBytesMax) return false;
  const iovec memory{data, length};
  const __u64 tag = 0;
  const unsigned at = static_cast<unsigned>(memories_.size());
  if (io_uring_register_buffers_update_tag(&kernel_->ring, at, &memory, &tag, 1) != 1) return false;
  memories_.push_back({data, length});
  registeredBytes_ += length;
  return true;
}

int Ring::memoryOf(const std::uint8_t* data, std::size_t length) const {
  for (std::size_t i = 0; i < memories_.size(); i++) {
    const Memory& memory = memories_[i];
    if (data >= memory.data && data + length <= memory.data + memory.length) return static_cast<int>(i);
  }
  return -1;
}

bool Ring::prepareWrite(int fd, const std::uint8_t* data, std::size_t length, std::uint64_t offset,
                        std::uint64_t tag) {
  io_uring_sqe* entry = io_uring_get_sqe(&kernel_->ring);
  if (entry == nullptr) return false;
  const unsigned count = static_cast<unsigned>(std::min(length, entryBytesMax));
  const int memory = memoryOf(data, length);
  if (memory < 0) io_uring_prep_write(entry, fd, data, count, offset);
  else io_uring_prep_write_fixed(entry, fd, data, count, offset, memory);
  return finish(entry, fd, tag);
}

bool Ring::prepareRead(int fd, std::uint8_t* data, std::size_t length, std::uint64_t offset, std::uint64_t tag) {
  io_uring_sqe* entry = io_uring_get_sqe(&kernel_->ring);
  if (entry == nullptr) return false;
  const unsigned count = static_cast<unsigned>(std::min(length, entryBytesMax));
  const int memory = memoryOf(data, length);
  if (memory < 0) io_uring_prep_read(entry, fd, data, count, offset);
  else io_uring_prep_read_fixed(entry, fd, data, count, offset, memory);
  return finish(entry, fd, tag);
}

bool Ring::prepareSync(int fd, std::uint64_t tag) {
  io_uring_sqe* entry = io_uring_get_sqe(&kernel_->ring);
  if (entry == nullptr) return false;
  io_uring_prep_fsync(entry, fd, IORING_FSYNC_DATASYNC);
  return finish(entry, fd, tag);
}

bool Ring::preparePoll(int fd, std::uint64_t tag) {
  io_uring_sqe* entry = io_uring_get_sqe(&kernel_->ring);
  if (entry == nullptr) return false;
  io_uring_prep_poll_add(entry, fd, POLLIN);
  return finish(entry, fd, tag);
}

bool Ring::finish(io_uring_sqe* entry, int fd, std::uint64_t tag) {
  const std::size_t at = static_cast<std::size_t>(fd);
  if (at < fileSlots_.size() && fileSlots_[at] >= 0) {
    entry->fd = fileSlots_[at];
    entry->flags |= IOSQE_FIXED_FILE;
  }
  io_uring_sqe_set_data64(entry, tag);
  return true;
}

int Ring::submit(bool wait) {
  const int result = wait ? io_uring_submit_and_wait(&kernel_->ring, 1)
                          : io_uring_submit_and_get_events(&kernel_->ring);
  // Interrupted, or short of memory or of room for completions: what was not taken stays prepared for the next call.
  if (result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY) return 0;
  return -result;
}

void Ring::collect() {
  io_uring_cqe* completion = nullptr;
  unsigned head = 0;
  unsigned count = 0;
  io_uring_for_each_cqe(&kernel_->ring, head, completion) {
    results_.push_back({completion->user_data, completion->res});
    count++;
  }
  io_uring_cq_advance(&kernel_->ring, count);
}

void Ring::collectUntaken() {
#ifdef WALRUS_LIBURING
  const io_uring_sq& queue = kernel_->ring.sq;
  for (unsigned at = *queue.khead; at != queue.sqe_tail; at++) {
    results_.push_back({queue.sqes[at & queue.ring_mask].user_data, 0});
  }
#else
  const io_uring& ring = kernel_->ring;
  for (unsigned at = *ring.submitHead; at != ring.prepared; at++) {
    results_.push_back({ring.entries[at & ring.submitMask].user_data, 0});
  }
#endif
}

}  // namespace walrus
