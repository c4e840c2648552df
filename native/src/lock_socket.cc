#include "lock_socket.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string_view>
#include <thread>

namespace walrus {

namespace {

constexpr int attemptsMax = 4;

bool isClaim(std::string_view name) {
  return name.starts_with("claim-") && name.ends_with(".sock");
}

std::string newName() {
  unsigned char random[8];
  if (::getrandom(random, sizeof random, 0) != sizeof random) return "";
  std::string name = "claim-" + std::to_string(::getpid()) + "-";
  for (const unsigned char byte : random) {
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", byte);
    name += hex;
  }
  return name + ".sock";
}

// By way of the open directory, because the path of a socket is short by law of the kernel.
sockaddr_un addressOf(int directory, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory, name.c_str());
  return address;
}

bool isAlive(int directory, const std::string& name) {
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const sockaddr_un address = addressOf(directory, name);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
  // Anything else, such as a full queue or a refused permission, comes from a socket that somebody has.
  return errno != ECONNREFUSED && errno != ENOENT;
}

// Looks at the claims of others and removes the dead ones. A name is never used twice, so none that lives is removed.
int findOther(int directory, const std::string& own, bool& found) {
  found = false;
  const int fd = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd), ::closedir);
  if (stream == nullptr) return ENOMEM;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (!isClaim(name) || name == own) continue;
    if (isAlive(directory, name)) {
      found = true;
      return 0;
    }
    if (::unlinkat(directory, name.c_str(), 0) != 0 && errno != ENOENT) return errno;
  }
  return 0;
}

}  // namespace

int LockSocket::take(int directory) {
  for (int attempts = 1;; attempts++) {
    const int failure = attempt(directory);
    if (failure == 0) return 0;
    giveUp();
    if (failure != EWOULDBLOCK || attempts == attemptsMax) return failure;
    // Two that meet both step back, and need not meet again.
    unsigned char random = 0;
    [[maybe_unused]] const ssize_t drawn = ::getrandom(&random, sizeof random, 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(2 + random % 18));
  }
}

int LockSocket::attempt(int directory) {
  directory_ = directory;
  name_ = newName();
  socket_ = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket_) return errno;
  const sockaddr_un address = addressOf(directory, name_);
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return errno;
  if (::listen(socket_.get(), 8) != 0) return errno;
  bool found = false;
  const int failure = findOther(directory, name_, found);
  return failure == 0 && found ? EWOULDBLOCK : failure;
}

void LockSocket::giveUp() {
  if (!socket_) return;
  ::unlinkat(directory_, name_.c_str(), 0);
  socket_ = Descriptor();
}

}  // namespace walrus
