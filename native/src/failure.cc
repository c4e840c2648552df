#include "failure.h"

#include <cerrno>

namespace walrus {

namespace {

struct Meaning {
  int value;
  const char* name;
  const char* phrase;
  DiskError error;
};

constexpr Meaning meanings[] = {
    {ENOSPC, "ENOSPC", "the device is full", DiskError::noSpace},
    {EDQUOT, "EDQUOT", "the disk quota of this user is used up", DiskError::noSpace},
    {EIO, "EIO", "the device failed; what was written may be lost", DiskError::io},
    // As with a full disk: nothing is harmed, what is there can be read, and it passes if the limit is raised.
    {EFBIG, "EFBIG", "the file would exceed the largest size that is permitted", DiskError::noSpace},
    {EROFS, "EROFS", "the file system is mounted read-only, perhaps after an error", DiskError::io},
    {ENODEV, "ENODEV", "the device is gone", DiskError::io},
    {ENXIO, "ENXIO", "the device is gone", DiskError::io},
    {ESTALE, "ESTALE", "the directory or file was removed meanwhile, or its server has forgotten it", DiskError::io},
    {ETIMEDOUT, "ETIMEDOUT", "the storage did not answer in time", DiskError::io},
    {ENOENT, "ENOENT", "there is no such file", DiskError::notFound},
    {EEXIST, "EEXIST", "the file exists", DiskError::exists},
    {EACCES, "EACCES", "this user may not do that here", DiskError::io},
    {EPERM, "EPERM", "the system forbids it (file attributes or a sandbox)", DiskError::io},
    {EMFILE, "EMFILE", "this process has too many files open", DiskError::exhausted},
    {ENFILE, "ENFILE", "the system has too many files open", DiskError::exhausted},
    {ENOMEM, "ENOMEM", "the kernel is out of memory", DiskError::exhausted},
    {ENOBUFS, "ENOBUFS", "the kernel is out of buffers", DiskError::exhausted},
    {EAGAIN, "EAGAIN", "the system is short of something for now", DiskError::exhausted},
    {EBUSY, "EBUSY", "somebody else is using it", DiskError::exhausted},
    {EBADF, "EBADF", "the file is not open", DiskError::io},
    {EINVAL, "EINVAL", "the system refuses these arguments", DiskError::io},
    {EFAULT, "EFAULT", "the buffer is no memory of this process", DiskError::io},
    {ELOOP, "ELOOP", "it is a symbolic link", DiskError::io},
    {ENOTDIR, "ENOTDIR", "it is not a directory", DiskError::io},
    {EISDIR, "EISDIR", "it is a directory", DiskError::io},
    {ENAMETOOLONG, "ENAMETOOLONG", "the name is too long", DiskError::io},
    {EOPNOTSUPP, "EOPNOTSUPP", "this file system cannot do that", DiskError::io},
    {ENOSYS, "ENOSYS", "this kernel cannot do that", DiskError::io},
    {ENOLCK, "ENOLCK", "this disk does not hold the lock of the directory", DiskError::io},
    {ECANCELED, "ECANCELED", "what it depended on failed", DiskError::io},
};

const Meaning* find(int errnoValue) {
  for (const Meaning& meaning : meanings) {
    if (meaning.value == errnoValue) return &meaning;
  }
  return nullptr;
}

}  // namespace

DiskError diskErrorOf(int errnoValue) {
  if (errnoValue == 0) return DiskError::none;
  const Meaning* meaning = find(errnoValue);
  return meaning == nullptr ? DiskError::io : meaning->error;
}

std::string errnoName(int errnoValue) {
  const Meaning* meaning = find(errnoValue);
  return meaning == nullptr ? "errno " + std::to_string(errnoValue) : meaning->name;
}

std::string describeFailure(const std::string& operation, int errnoValue) {
  const Meaning* meaning = find(errnoValue);
  const char* phrase = meaning == nullptr ? "UNEXPECTED, nobody thought of this one" : meaning->phrase;
  return operation + ": " + errnoName(errnoValue) + ": " + phrase;
}

}  // namespace walrus
