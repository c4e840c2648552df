#include "faults.h"

#include <sys/socket.h>

#include "../src/file.h"
#include "../src/ring.h"

Fault onWrite;
Fault onRead;
Fault onSync;
Fault onAllocate;
Fault onRingWrite;
Fault onRingRead;
Fault onRingSync;
Fault onRingEnter;
Fault onBind;

namespace {

Fault& ofRing(walrus::Transfer::Kind kind) {
  if (kind == walrus::Transfer::Kind::write) return onRingWrite;
  return kind == walrus::Transfer::Kind::read ? onRingRead : onRingSync;
}

}  // namespace

extern "C" {
// walrus::advance(Transfer&, long, Retries&). The plain calls are in its own file, where the linker does not replace it.
void __real__ZN6walrus7advanceERNS_8TransferElRNS_7RetriesE(walrus::Transfer& transfer, long result, walrus::Retries& retries);

void __wrap__ZN6walrus7advanceERNS_8TransferElRNS_7RetriesE(walrus::Transfer& transfer, long result, walrus::Retries& retries) {
  Fault& fault = ofRing(transfer.kind);
  if (fault.strikes()) {
    if (fault.errnoValue != 0) result = -fault.errnoValue;
    else result = static_cast<long>(fault.bytesMax);
  }
  __real__ZN6walrus7advanceERNS_8TransferElRNS_7RetriesE(transfer, result, retries);
}

// int walrus::Ring::submit(bool)
int __real__ZN6walrus4Ring6submitEb(walrus::Ring* ring, bool wait);

int __wrap__ZN6walrus4Ring6submitEb(walrus::Ring* ring, bool wait) {
  return onRingEnter.strikes() ? onRingEnter.errnoValue : __real__ZN6walrus4Ring6submitEb(ring, wait);
}

int __real_bind(int fd, const sockaddr* address, socklen_t length);

int __wrap_bind(int fd, const sockaddr* address, socklen_t length) {
  if (address->sa_data[0] != 0 && onBind.strikes()) {
    errno = onBind.errnoValue;
    return -1;
  }
  return __real_bind(fd, address, length);
}

ssize_t __real_pwrite64(int fd, const void* data, std::size_t length, off64_t offset);
ssize_t __real_pread64(int fd, void* data, std::size_t length, off64_t offset);
int __real_fdatasync(int fd);
int __real_fallocate64(int fd, int mode, off64_t offset, off64_t length);

ssize_t __wrap_pwrite64(int fd, const void* data, std::size_t length, off64_t offset) {
  if (onWrite.strikes()) {
    errno = onWrite.errnoValue;
    if (errno != 0) return -1;
    if (onWrite.bytesMax < length) length = onWrite.bytesMax;
  }
  return length == 0 ? 0 : __real_pwrite64(fd, data, length, offset);
}

ssize_t __wrap_pread64(int fd, void* data, std::size_t length, off64_t offset) {
  if (onRead.strikes()) {
    errno = onRead.errnoValue;
    if (errno != 0) return -1;
    if (onRead.bytesMax < length) length = onRead.bytesMax;
  }
  return __real_pread64(fd, data, length, offset);
}

int __wrap_fdatasync(int fd) {
  if (onSync.strikes()) {
    errno = onSync.errnoValue;
    return -1;
  }
  return __real_fdatasync(fd);
}

int __wrap_fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  if (onAllocate.strikes()) {
    errno = onAllocate.errnoValue;
    return -1;
  }
  return __real_fallocate64(fd, mode, offset, length);
}
}
