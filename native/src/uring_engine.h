// The engine of io_uring: many transfers in the kernel at once, handed over and taken back in groups. If the kernel refuses the ring
// in mid-course, plain calls carry on.
#pragma once

#include <deque>
#include <memory>

#include "io_engine.h"
#include "ring.h"

namespace walrus {

class UringEngine final : public IoEngine {
 public:
  // None, and an errno, if the kernel or a sandbox refuses.
  static std::unique_ptr<UringEngine> open(int& failure);

  void start(Transfer& transfer) override;
  void reap(std::vector<Transfer*>& finished, bool wait) override;
  void wake() override;
  int failure() const override { return failure_; }
  void fileOpened(int fd) override;
  void fileClosing(int fd) override;
  std::size_t registerBuffer(std::uint8_t* data, std::size_t length) override;

 private:
  UringEngine(std::unique_ptr<Ring> ring, Descriptor wakeup);
  bool runsAlone() const;
  void runNext(std::vector<Transfer*>& finished);
  void handOver();
  void takeBack(std::vector<Transfer*>& finished);
  void takeBackUntaken();
  void waitWithoutRing();
  void clearWakeup();

  std::unique_ptr<Ring> ring_;
  std::deque<Transfer*> started_;  // not in the kernel yet, or with a rest to go there again
  std::size_t inKernel_ = 0;
  int failure_ = 0;  // why the ring is used no more
  // wake() writes to it, and the ring always watches it.
  Descriptor wakeup_;
  bool isWakeupArmed_ = false;
  bool woken_ = false;
};

}  // namespace walrus
