#include "ring_way.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace walrus {

namespace {

constexpr unsigned entries = 64;
// One entry is the alarm's.
constexpr std::size_t inKernelMax = entries - 1;
constexpr std::size_t smallBytes = 32 << 10;
constexpr std::size_t lendingMin = 256 << 10;
constexpr std::uint64_t alarmTag = 0;  // no transfer has this address

}  // namespace

std::unique_ptr<RingWay> RingWay::open(int& failure) {
  Descriptor alarm(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!alarm) {
    failure = errno;
    return nullptr;
  }
  std::unique_ptr<Ring> ring = Ring::open(entries, failure);
  if (ring == nullptr) return nullptr;
  return std::unique_ptr<RingWay>(new RingWay(std::move(ring), std::move(alarm)));
}

RingWay::RingWay(std::unique_ptr<Ring> ring, Descriptor alarm)
    : ring_(std::move(ring)), alarm_(std::move(alarm)) {}

void RingWay::start(Transfer& transfer) { started_.push_back(&transfer); }

void RingWay::reap(std::vector<Transfer*>& finished, bool wait) {
  if (runsAlone()) {
    Transfer& transfer = *started_.front();
    started_.pop_front();
    runToEnd(transfer, hiccups);
    finished.push_back(&transfer);
    return;
  }
  do {
    handOver();
    ring_->submit(wait);
    takeBack(finished);
  } while (wait && finished.empty() && !woken_);
  woken_ = false;
}

void RingWay::wake() {
  const std::uint64_t one = 1;
  // Fails only if the count is about to overflow, and then the alarm has long been set.
  [[maybe_unused]] const ssize_t written = ::write(alarm_.get(), &one, sizeof one);
}

void RingWay::fileOpened(int fd) { ring_->registerFile(fd); }

void RingWay::fileClosing(int fd) { ring_->forgetFile(fd); }

// As much of it as the limit of locked memory lets through; transfers from the rest go on as they would.
std::size_t RingWay::lend(std::uint8_t* data, std::size_t length) {
  for (std::size_t part = length; part >= lendingMin; part /= 2) {
    if (ring_->registerMemory(data, part)) return part;
  }
  return 0;
}

// The way through the ring and back takes longer than a plain call: a sync goes to a thread of the kernel's, a write comes
// back by an interruption. Where nothing can overlap that is all that counts, so a small transfer or
// a sync that is the only one runs here. A large one leaves room for others to come meanwhile.
bool RingWay::runsAlone() const {
  if (inKernel_ != 0 || started_.size() != 1) return false;
  const Transfer& transfer = *started_.front();
  return transfer.kind == Transfer::Kind::sync || transfer.length <= smallBytes;
}

void RingWay::handOver() {
  if (!isAlarmSet_) isAlarmSet_ = ring_->preparePoll(alarm_.get(), alarmTag);
  while (!started_.empty() && inKernel_ < inKernelMax) {
    Transfer& transfer = *started_.front();
    const std::uint64_t tag = reinterpret_cast<std::uintptr_t>(&transfer);
    std::uint8_t* data = transfer.data + transfer.done;
    const std::size_t length = transfer.length - transfer.done;
    const std::uint64_t offset = transfer.offset + transfer.done;
    bool prepared = false;
    switch (transfer.kind) {
      case Transfer::Kind::write: prepared = ring_->prepareWrite(transfer.fd, data, length, offset, tag); break;
      case Transfer::Kind::read: prepared = ring_->prepareRead(transfer.fd, data, length, offset, tag); break;
      case Transfer::Kind::sync: prepared = ring_->prepareSync(transfer.fd, tag); break;
    }
    if (!prepared) return;
    started_.pop_front();
    inKernel_++;
  }
}

void RingWay::takeBack(std::vector<Transfer*>& finished) {
  ring_->forEachCompletion([&](std::uint64_t tag, long result) {
    if (tag == alarmTag) {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t taken = ::read(alarm_.get(), &count, sizeof count);
      isAlarmSet_ = false;
      woken_ = true;
      return;
    }
    Transfer& transfer = *reinterpret_cast<Transfer*>(static_cast<std::uintptr_t>(tag));
    inKernel_--;
    advance(transfer, result, hiccups);
    if (transfer.finished) finished.push_back(&transfer);
    else started_.push_front(&transfer);
  });
}

}  // namespace walrus
