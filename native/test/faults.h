// System calls that go wrong on demand. The linker puts these in place of the real ones (`--wrap`), so that nothing in the
// product knows of faults.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <sys/types.h>

// What the next calls of one kind do: `errnoValue` fails them, `bytesMax` cuts them short, `count` of them.
struct Fault {
  std::atomic<int> count = 0;
  int errnoValue = 0;
  std::size_t bytesMax = 0;

  void arm(int calls, int errnoOfThem, std::size_t bytes = 0) {
    errnoValue = errnoOfThem;
    bytesMax = bytes;
    count = calls;
  }
  bool strikes() { return count > 0 && count-- > 0; }
};

extern Fault onWrite;
extern Fault onRead;
extern Fault onSync;
extern Fault onAllocate;
// What comes back from the ring.
extern Fault onRingWrite;
extern Fault onRingRead;
extern Fault onRingSync;
