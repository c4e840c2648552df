// System calls that go wrong on demand. The linker puts these in place of the real ones (`--wrap`), so that nothing in the
// product knows of faults.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <sys/types.h>

// What the next calls of one kind do, once `spared` have passed: `errnoValue` fails them, `bytesMax` cuts them short, `count` of them.
struct Fault {
  std::atomic<int> count = 0;
  std::atomic<int> spared = 0;
  int errnoValue = 0;
  std::size_t bytesMax = 0;

  void arm(int calls, int errnoOfThem, std::size_t bytes = 0, int sparedBefore = 0) {
    spared = sparedBefore;
    errnoValue = errnoOfThem;
    bytesMax = bytes;
    count = calls;
  }
  bool strikes() {
    if (count <= 0) return false;
    if (spared > 0 && spared-- > 0) return false;
    return count-- > 0;
  }
};

extern Fault onWrite;
extern Fault onRead;
extern Fault onSync;
extern Fault onAllocate;
// What comes back from the ring.
extern Fault onRingWrite;
extern Fault onRingRead;
extern Fault onRingSync;
// When work is handed to the ring: the kernel refuses it.
extern Fault onRingEnter;
// Of sockets in a directory.
extern Fault onBind;
