// Descriptors, aligned memory, and whole reads and writes. Knows bytes and offsets; no threads, no records.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace walrus {

// Addresses, offsets and lengths of a direct transfer are multiples of this: the size of a page, and no
// device in use has larger sectors.
constexpr std::size_t directAlignment = 4096;

// Owns a file descriptor. -1 is none.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Memory that a direct transfer may use, zeroed.
class AlignedBuffer {
 public:
  explicit AlignedBuffer(std::size_t sizeBytes);  // throws std::bad_alloc
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  ~AlignedBuffer();

  std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::uint8_t* data_;
  std::size_t size_;
};

// One transfer between memory and a file, as far as it has come.
struct Transfer {
  enum class Kind { write, read, sync };

  Kind kind = Kind::sync;
  int fd = -1;
  std::uint8_t* data = nullptr;
  std::size_t length = 0;
  std::uint64_t offset = 0;
  bool isDirect = false;
  std::size_t done = 0;  // bytes moved so far
  int failure = 0;       // errno, 0 if none
  // Nothing is left to do: all is moved, or it failed, or a read met the end of the file.
  bool finished = false;
};

// Whether the kernel would take this transfer on a descriptor opened with O_DIRECT.
bool isDirectAligned(const std::uint8_t* data, std::size_t length, std::uint64_t offset);

// How often the kernel did less than it was asked to, or was interrupted.
struct Retries {
  std::uint64_t shortTransfers = 0;
  std::uint64_t interruptions = 0;
};

// Takes in what one system call returned: bytes, or a negative errno. After it the transfer is finished or has to go
// on from `done`; a short one and an interrupted one go on.
void advance(Transfer& transfer, long result, Retries& retries);

// Runs the transfer to its end on this thread.
void runToEnd(Transfer& transfer, Retries& retries);

// Where the next byte lies that was ever written, at the offset or behind it; the end of the file if there is none. The offset itself
// where the file system cannot tell.
std::uint64_t dataFrom(int fd, std::uint64_t offset);

// Makes the file at least `sizeBytes` long and reserves its blocks. Returns an errno, 0 if none.
int allocateFile(int fd, std::uint64_t sizeBytes);

}  // namespace walrus
