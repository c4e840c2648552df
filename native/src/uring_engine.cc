#include "uring_engine.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace walrus {

namespace {

constexpr unsigned entries = 64;
// One entry is the poll's of the wakeup.
constexpr std::size_t inKernelMax = entries - 1;
constexpr std::size_t smallBytes = 32 << 10;
constexpr std::size_t registerBytesMin = 256 << 10;
constexpr std::uint64_t wakeupTag = 0;  // no transfer has this address

}  // namespace

std::unique_ptr<UringEngine> UringEngine::open(int& failure) {
  Descriptor wakeup(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wakeup) {
    failure = errno;
    return nullptr;
  }
  std::unique_ptr<Ring> ring = Ring::open(entries, failure);
  if (ring == nullptr) return nullptr;
  return std::unique_ptr<UringEngine>(new UringEngine(std::move(ring), std::move(wakeup)));
}

UringEngine::UringEngine(std::unique_ptr<Ring> ring, Descriptor wakeup)
    : ring_(std::move(ring)), wakeup_(std::move(wakeup)) {}

void UringEngine::start(Transfer& transfer) { started_.push_back(&transfer); }

void UringEngine::reap(std::vector<Transfer*>& finished, bool wait) {
  if (runsAlone()) return runNext(finished);
  do {
    if (failure_ == 0) {
      handOver();
      failure_ = ring_->submit(wait);
      if (failure_ != 0) takeBackUntaken();
    } else if (!started_.empty()) {
      runNext(finished);
    } else if (wait) {
      waitWithoutRing();
    }
    takeBack(finished);
  } while (wait && finished.empty() && !woken_);
  woken_ = false;
}

void UringEngine::runNext(std::vector<Transfer*>& finished) {
  Transfer& transfer = *started_.front();
  started_.pop_front();
  runToEnd(transfer, retries);
  finished.push_back(&transfer);
}

void UringEngine::wake() {
  const std::uint64_t one = 1;
  // Fails only if the count is about to overflow, and then the wakeup is long due.
  [[maybe_unused]] const ssize_t written = ::write(wakeup_.get(), &one, sizeof one);
}

void UringEngine::fileOpened(int fd) { ring_->registerFile(fd); }

void UringEngine::fileClosing(int fd) { ring_->forgetFile(fd); }

// As much of it as the limit of locked memory lets through; transfers from the rest go on as they would.
std::size_t UringEngine::registerBuffer(std::uint8_t* data, std::size_t length) {
  for (std::size_t part = length; part >= registerBytesMin; part /= 2) {
    if (ring_->registerMemory(data, part)) return part;
  }
  return 0;
}

// The way through the ring and back takes longer than a plain call: a sync goes to a thread of the kernel's, a write comes
// back by an interruption. Where nothing can overlap that is all that counts, so a small transfer or
// a sync that is the only one runs here. A large one leaves room for others to come meanwhile.
bool UringEngine::runsAlone() const {
  if (inKernel_ != 0 || started_.size() != 1) return false;
  const Transfer& transfer = *started_.front();
  return transfer.kind == Transfer::Kind::sync || transfer.length <= smallBytes;
}

void UringEngine::handOver() {
  if (!isWakeupArmed_) isWakeupArmed_ = ring_->preparePoll(wakeup_.get(), wakeupTag);
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

// What the kernel has taken before it refused the ring comes back yet.
void UringEngine::takeBackUntaken() {
  ring_->forEachUntaken([&](std::uint64_t tag) {
    if (tag == wakeupTag) return;
    inKernel_--;
    started_.push_back(reinterpret_cast<Transfer*>(static_cast<std::uintptr_t>(tag)));
  });
}

// Completions are posted whenever this thread leaves the kernel, so while any is to come it goes there again and again.
void UringEngine::waitWithoutRing() {
  constexpr int pauseMs = 1;
  pollfd wakeup{wakeup_.get(), POLLIN, 0};
  if (::poll(&wakeup, 1, inKernel_ > 0 ? pauseMs : -1) == 1) clearWakeup();
}

void UringEngine::clearWakeup() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t taken = ::read(wakeup_.get(), &count, sizeof count);
  isWakeupArmed_ = false;
  woken_ = true;
}

void UringEngine::takeBack(std::vector<Transfer*>& finished) {
  ring_->forEachCompletion([&](std::uint64_t tag, long result) {
    if (tag == wakeupTag) return clearWakeup();
    Transfer& transfer = *reinterpret_cast<Transfer*>(static_cast<std::uintptr_t>(tag));
    inKernel_--;
    advance(transfer, result, retries);
    if (transfer.finished) finished.push_back(&transfer);
    else started_.push_front(&transfer);
  });
}

}  // namespace walrus
