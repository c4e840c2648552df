#include "file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>

namespace walrus {

namespace {

// The kernel moves at most 2 GiB less a page in one call; a round number below keeps direct transfers aligned.
constexpr std::size_t callBytesMax = std::size_t{1} << 30;

long callOnce(const Transfer& transfer) {
  std::uint8_t* data = transfer.data + transfer.done;
  const std::size_t length = std::min(transfer.length - transfer.done, callBytesMax);
  const off_t offset = static_cast<off_t>(transfer.offset + transfer.done);
  long result = 0;
  switch (transfer.kind) {
    case Transfer::Kind::write: result = ::pwrite(transfer.fd, data, length, offset); break;
    case Transfer::Kind::read: result = ::pread(transfer.fd, data, length, offset); break;
    case Transfer::Kind::sync: result = ::fdatasync(transfer.fd); break;
  }
  return result < 0 ? -errno : result;
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

// What close() says is not asked: everything that must last was synced before, and the descriptor is gone either way.
Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

AlignedBuffer::AlignedBuffer(std::size_t sizeBytes) : size_(sizeBytes) {
  void* memory = ::mmap(nullptr, sizeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<std::uint8_t*>(memory);
}

AlignedBuffer::~AlignedBuffer() { ::munmap(data_, size_); }

bool isDirectAligned(const std::uint8_t* data, std::size_t length, std::uint64_t offset) {
  return (reinterpret_cast<std::uintptr_t>(data) | length | offset) % directAlignment == 0;
}

void advance(Transfer& transfer, long result, Retries& retries) {
  if (result == -EINTR) {
    retries.interruptions++;
  } else if (result < 0) {
    transfer.failure = static_cast<int>(-result);
    transfer.finished = true;
  } else if (transfer.kind == Transfer::Kind::sync) {
    transfer.finished = true;
  } else {
    transfer.done += static_cast<std::size_t>(result);
    transfer.finished = transfer.done == transfer.length;
    if (transfer.finished) return;
    // A direct read that ends inside a block has met the end of the file, and could not go on from there.
    if (transfer.kind == Transfer::Kind::read && transfer.isDirect && transfer.done % directAlignment != 0) {
      transfer.finished = true;
      return;
    }
    if (result > 0) {
      retries.shortTransfers++;
      return;
    }
    // A read of nothing is the end of the file. A write of nothing means nothing, and would go on for ever.
    transfer.finished = true;
    if (transfer.kind == Transfer::Kind::write) transfer.failure = EIO;
  }
}

void runToEnd(Transfer& transfer, Retries& retries) {
  while (!transfer.finished) advance(transfer, callOnce(transfer), retries);
}

std::uint64_t dataFrom(int fd, std::uint64_t offset) {
  // Every transfer says where it goes, so where the descriptor points to is nobody's affair.
  const off_t found = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  if (found >= 0) return static_cast<std::uint64_t>(found);
  struct stat status;
  if (errno != ENXIO || ::fstat(fd, &status) != 0) return offset;
  return std::max(offset, static_cast<std::uint64_t>(status.st_size));
}

int allocateFile(int fd, std::uint64_t sizeBytes) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return errno;
  const std::uint64_t sizeNow = static_cast<std::uint64_t>(status.st_size);
  int result;
  do {
    result = ::fallocate(fd, 0, 0, static_cast<off_t>(std::max(sizeBytes, sizeNow)));
  } while (result != 0 && errno == EINTR);
  if (result == 0) return 0;
  if (errno != EOPNOTSUPP) return errno;
  // A file system that cannot reserve: the length at least.
  if (sizeNow >= sizeBytes) return 0;
  return ::ftruncate(fd, static_cast<off_t>(sizeBytes)) == 0 ? 0 : errno;
}

}  // namespace walrus
