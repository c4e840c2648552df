#include "lock_socket.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>
#include <thread>

namespace walrus {

namespace {

constexpr int attemptsMax = 4;
constexpr std::size_t hostBytesMax = 24;
constexpr const char* unknownHolder = "another process";
// Its owner's alone to use, but anybody's to ask whether it lives.
constexpr mode_t socketMode = 0666;

bool isLockName(std::string_view name) { return name.starts_with("lock-") && name.ends_with(".sock"); }

std::string host() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return "";
  std::string plain;
  for (const char* at = name; *at != 0 && plain.size() < hostBytesMax; at++) {
    if (std::isalnum(static_cast<unsigned char>(*at)) != 0 || *at == '.' || *at == '_') plain += *at;
  }
  return plain;
}

std::string newName() {
  unsigned char random[8];
  if (::getrandom(random, sizeof random, 0) != sizeof random) return "";
  std::string name = "lock-" + std::to_string(::getpid()) + "-" + host() + "-";
  for (const unsigned char byte : random) {
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", byte);
    name += hex;
  }
  return name + ".sock";
}

// "process 17 on host db1"
std::string holderOf(const std::string& name) {
  const std::size_t pidAt = name.find('-') + 1;
  const std::size_t hostAt = name.find('-', pidAt) + 1;
  const std::string pid = name.substr(pidAt, hostAt - 1 - pidAt);
  const std::string itsHost = name.substr(hostAt, name.rfind('-') - hostAt);
  if (pid == std::to_string(::getpid()) && itsHost == host()) return "this process";
  return "process " + pid + (itsHost.empty() ? "" : " on host " + itsHost);
}

// By way of the open directory, because the path of a socket is short by law of the kernel.
sockaddr_un addressOf(int directory, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory, name.c_str());
  return address;
}

// Without a file. Filled up to the end, since versions of Node.js differ about where a shorter one ends.
sockaddr_un abstractAddressOf(int directory) {
  struct stat status {};
  ::fstat(directory, &status);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memset(address.sun_path + 1, '-', sizeof address.sun_path - 1);
  const std::string name = "walrus-" + std::to_string(status.st_dev) + "-" + std::to_string(status.st_ino);
  std::copy(name.begin(), name.end(), address.sun_path + 1);
  return address;
}

int listenOn(int socket, const sockaddr_un& address) {
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return errno;
  return ::listen(socket, 8) == 0 ? 0 : errno;
}

// What file systems that know no sockets say to one; some by way of FUSE make a plain file and say EIO.
bool saysNoSockets(int failure) {
  return failure == EPERM || failure == EOPNOTSUPP || failure == ENOSYS || failure == EINVAL || failure == EIO;
}

bool isAlive(int directory, const std::string& name) {
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const sockaddr_un address = addressOf(directory, name);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
  // Anything else, such as a full queue or a refused permission, comes from a socket that somebody has.
  return errno != ECONNREFUSED && errno != ENOENT;
}

// Looks at the sockets of others and removes the dead ones, if it may. A name is never used twice, so none that lives is removed.
int findOther(int directory, const std::string& own, std::string& holder) {
  const int fd = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd), ::closedir);
  if (stream == nullptr) {
    ::close(fd);
    return ENOMEM;
  }
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (!isLockName(name) || name == own) continue;
    if (isAlive(directory, name)) {
      holder = holderOf(name);
      return EWOULDBLOCK;
    }
    ::unlinkat(directory, name.c_str(), 0);
  }
  return 0;
}

}  // namespace

int LockSocket::take(int directory, std::string& holder) {
  for (int attempts = 1;; attempts++) {
    const int failure = attempt(directory, holder);
    if (failure == 0) return 0;
    release();
    if (failure != EWOULDBLOCK || attempts == attemptsMax) return failure;
    // Two that meet both step back, and need not meet again.
    unsigned char random = 0;
    [[maybe_unused]] const ssize_t drawn = ::getrandom(&random, sizeof random, 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(2 + random % 18));
  }
}

std::string LockSocket::findHolder(int directory) {
  std::string holder;
  return findOther(directory, "", holder) == EWOULDBLOCK ? holder : unknownHolder;
}

int LockSocket::attempt(int directory, std::string& holder) {
  directory_ = directory;
  name_ = newName();
  socket_ = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket_) return errno;
  int failure = listenOn(socket_.get(), addressOf(directory, name_));
  if (failure == 0) {
    ::fchmodat(directory, name_.c_str(), socketMode, 0);
  } else if (saysNoSockets(failure)) {
    ::unlinkat(directory, name_.c_str(), 0);
    name_.clear();
    failure = listenOn(socket_.get(), abstractAddressOf(directory));
    if (failure == EADDRINUSE) {
      holder = unknownHolder;
      return EWOULDBLOCK;
    }
  }
  return failure == 0 ? findOther(directory, name_, holder) : failure;
}

void LockSocket::release() {
  if (!socket_) return;
  if (!name_.empty()) ::unlinkat(directory_, name_.c_str(), 0);
  ::shutdown(socket_.get(), SHUT_RDWR);
  socket_ = Descriptor();
}

bool LockSocket::isIntact() const {
  return name_.empty() || ::faccessat(directory_, name_.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

}  // namespace walrus
