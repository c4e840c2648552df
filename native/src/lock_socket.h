// A claim to a directory that the portable disk understands: a Unix socket in it, `claim-<pid>-<random>.sock`, on
// which its owner listens. Whoever can connect to one knows that its owner lives; the kernel ends it with
// the process. The rules are those of impl/runtime/directory-lock.ts.
#pragma once

#include <string>

#include "file.h"

namespace walrus {

class LockSocket {
 public:
  LockSocket() = default;
  LockSocket(const LockSocket&) = delete;
  LockSocket& operator=(const LockSocket&) = delete;
  ~LockSocket() { giveUp(); }

  // Claims the directory, which must stay open as long as the claim. EWOULDBLOCK: another lives. Else an errno.
  int take(int directory);
  void giveUp();

 private:
  int attempt(int directory);

  int directory_ = -1;
  Descriptor socket_;
  std::string name_;
};

}  // namespace walrus
