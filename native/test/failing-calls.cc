// Loaded before the C library (LD_PRELOAD): fails every fdatasync with the errno in FAIL_SYNC, every pwrite with that in FAIL_WRITE, and
// every pwrite beyond FULL_AT bytes with ENOSPC, after a short write up to there.
#include <dlfcn.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>

namespace {

long variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? 0 : std::atol(value);
}

}  // namespace

extern "C" int fdatasync(int fd) {
  if (variable("FAIL_SYNC") != 0) {
    errno = static_cast<int>(variable("FAIL_SYNC"));
    return -1;
  }
  return reinterpret_cast<int (*)(int)>(::dlsym(RTLD_NEXT, "fdatasync"))(fd);
}

extern "C" ssize_t pwrite64(int fd, const void* data, std::size_t length, off64_t offset) {
  using Pwrite = ssize_t (*)(int, const void*, std::size_t, off64_t);
  if (variable("FAIL_WRITE") != 0) {
    errno = static_cast<int>(variable("FAIL_WRITE"));
    return -1;
  }
  const off64_t end = variable("FULL_AT");
  if (end != 0 && offset >= end) {
    errno = ENOSPC;
    return -1;
  }
  if (end != 0 && offset + static_cast<off64_t>(length) > end) length = static_cast<std::size_t>(end - offset);
  return reinterpret_cast<Pwrite>(::dlsym(RTLD_NEXT, "pwrite64"))(fd, data, length, offset);
}
