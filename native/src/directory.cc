#include "directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

namespace walrus {

namespace {

constexpr mode_t directoryMode = 0755;
constexpr mode_t fileMode = 0644;

// A plain name: what openat, renameat and unlinkat resolve inside the directory and nowhere else.
bool isPlainName(const std::string& name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

std::string parentOf(const std::string& path) {
  std::size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return "/";
  end = path.find_last_of('/', end);
  if (end == std::string::npos) return ".";
  end = path.find_last_not_of('/', end);
  return end == std::string::npos ? "/" : path.substr(0, end + 1);
}

int openDirectory(const std::string& path, Descriptor& descriptor) {
  descriptor = Descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return descriptor ? 0 : errno;
}

// Creates the directory and those above it; each new one survives power loss as its parent is synced.
int createDirectories(const std::string& path) {
  if (::mkdir(path.c_str(), directoryMode) != 0) {
    if (errno == EEXIST) return 0;
    if (errno != ENOENT) return errno;
    if (const int failure = createDirectories(parentOf(path)); failure != 0) return failure;
    if (::mkdir(path.c_str(), directoryMode) != 0) return errno == EEXIST ? 0 : errno;
  }
  Descriptor parent;
  if (const int failure = openDirectory(parentOf(path), parent); failure != 0) return failure;
  return ::fsync(parent.get()) == 0 ? 0 : errno;
}

}  // namespace

int Directory::lock(std::string& holder) {
  if (isLocked()) {
    holder = "this process";
    return EWOULDBLOCK;
  }
  if (const int failure = createDirectories(path_); failure != 0) return failure;
  Descriptor directory;
  if (const int failure = openDirectory(path_, directory); failure != 0) return failure;
  // Keeps out other native disks, and belongs to this open directory: it goes with the process, however that ends, keeps
  // out a second disk of the same process too, and needs no name that somebody could remove. Some file systems cannot.
  if (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    holder = LockSocket::findHolder(directory.get());
    return EWOULDBLOCK;
  }
  // Keeps out portable ones, which cannot lock so, and tells who it is.
  auto socket = std::make_unique<LockSocket>();
  if (const int failure = socket->take(directory.get(), holder); failure != 0) return failure;
  lockSocket_ = std::move(socket);
  directory_ = std::move(directory);
  return 0;
}

// A child that is being started has a copy of the descriptor for a moment, and with it the lock, if it is not given back first.
void Directory::unlock() {
  lockSocket_.reset();
  if (directory_) ::flock(directory_.get(), LOCK_UN);
  directory_ = Descriptor();
}

bool Directory::isIntact() const { return lockSocket_->isIntact(); }

int Directory::list(std::vector<FileEntry>& entries) const {
  // A descriptor of its own, since a directory is read from a position.
  const int fd = ::openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd), ::closedir);
  if (stream == nullptr) {
    const int failure = errno;
    ::close(fd);
    return failure;
  }
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) return errno;
    struct stat status;
    if (::fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      return errno;
    }
    if (!S_ISREG(status.st_mode) || !isPlainName(entry->d_name)) continue;
    entries.push_back({entry->d_name, static_cast<std::uint64_t>(status.st_size)});
  }
}

int Directory::openFile(const std::string& name, int flags, Descriptor& descriptor) const {
  if (!isPlainName(name)) return EINVAL;
  Descriptor file(
      ::openat(directory_.get(), name.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, fileMode));
  if (!file) return errno;
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return errno;
  if (!S_ISREG(status.st_mode)) return EINVAL;
  descriptor = std::move(file);
  return 0;
}

int Directory::rename(const std::string& from, const std::string& to) const {
  if (!isPlainName(from) || !isPlainName(to)) return EINVAL;
  return ::renameat(directory_.get(), from.c_str(), directory_.get(), to.c_str()) == 0 ? 0 : errno;
}

int Directory::unlink(const std::string& name) const {
  if (!isPlainName(name)) return EINVAL;
  return ::unlinkat(directory_.get(), name.c_str(), 0) == 0 ? 0 : errno;
}

int Directory::sync() const { return ::fsync(directory_.get()) == 0 ? 0 : errno; }

int probeDirect(const std::string& path) {
  std::string place = path;
  while (::access(place.c_str(), F_OK) != 0 && errno == ENOENT && place != "/" && place != ".") {
    place = parentOf(place);
  }
  const Descriptor file(::open(place.c_str(), O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, fileMode));
  if (!file) return errno;
  const AlignedBuffer block(directAlignment);
  Transfer write;
  write.kind = Transfer::Kind::write;
  write.fd = file.get();
  write.data = block.data();
  write.length = block.size();
  Retries retries;
  runToEnd(write, retries);
  return write.failure;
}

}  // namespace walrus
