// An I/O engine: moves bytes between memory and open files. There are two, pwrite_engine and uring_engine; the disk
// above them does not know which one it has.
#pragma once

#include <vector>

#include "file.h"

namespace walrus {

// All calls but `wake` belong to one thread.
class IoEngine {
 public:
  IoEngine() = default;
  IoEngine(const IoEngine&) = delete;
  IoEngine& operator=(const IoEngine&) = delete;
  virtual ~IoEngine() = default;

  // Begins a transfer, which stays where it is, as does its memory, until `reap` hands it back. An engine
  // may as well run it to its end here.
  virtual void start(Transfer& transfer) = 0;

  // Hands back the transfers that are finished since the last call. With `wait`, returns only once there is one,
  // or `wake` was called since the last `reap`.
  virtual void reap(std::vector<Transfer*>& finished, bool wait) = 0;

  // Ends a waiting `reap`, or the next one. May be called by any thread.
  virtual void wake() = 0;

  // The errno for which it has come down to plain calls, 0 if it has not.
  virtual int failure() const { return 0; }

  // A descriptor that transfers will use; one that no transfer uses any more. Favours, see Ring.
  virtual void fileOpened(int) {}
  virtual void fileClosing(int) {}

  // Memory that transfers will often use, and that stays until this engine is gone. Returns how much of it is now known
  // to the kernel.
  virtual std::size_t registerBuffer(std::uint8_t*, std::size_t) { return 0; }

  Retries retries;
};

}  // namespace walrus
