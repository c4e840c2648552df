// The engine of io_uring: many transfers in the kernel at once, handed over and taken back in groups.
#pragma once

#include <deque>
#include <memory>

#include "ring.h"
#include "io_engine.h"

namespace walrus {

class UringEngine final : public IoEngine {
 public:
  // None, and an errno, if the kernel or a sandbox refuses.
  static std::unique_ptr<UringEngine> open(int& failure);

  void start(Transfer& transfer) override;
  void reap(std::vector<Transfer*>& finished, bool wait) override;
  void wake() override;
  void fileOpened(int fd) override;
  void fileClosing(int fd) override;
  std::size_t registerBuffer(std::uint8_t* data, std::size_t length) override;

 private:
  UringEngine(std::unique_ptr<Ring> ring, Descriptor wakeup);
  bool runsAlone() const;
  void handOver();
  void takeBack(std::vector<Transfer*>& finished);

  std::unique_ptr<Ring> ring_;
  std::deque<Transfer*> started_;  // not in the kernel yet, or with a rest to go there again
  std::size_t inKernel_ = 0;
  // wake() writes to it, and the ring always watches it.
  Descriptor wakeup_;
  bool isWakeupArmed_ = false;
  bool woken_ = false;
};

}  // namespace walrus
