// The lock that disks of every kind understand: a Unix socket in the directory, `lock-<pid>-<host>-<random>.sock`, on which its
// holder listens. Whoever can connect to one knows that its holder lives; the kernel ends it with the process. Where the file
// system has no sockets, it is one without a file, whose name is the directory's device and inode. The rules are those of
// impl/runtime/directory-lock.ts.
#pragma once

#include <string>

#include "file.h"

namespace walrus {

class LockSocket {
 public:
  LockSocket() = default;
  LockSocket(const LockSocket&) = delete;
  LockSocket& operator=(const LockSocket&) = delete;
  ~LockSocket() { release(); }

  // Locks the directory, which must stay open as long. EWOULDBLOCK: another lives, and `holder` says who. Else an errno.
  int take(int directory, std::string& holder);
  // Who has the directory, as far as that can be told.
  static std::string findHolder(int directory);
  // At once, whoever else has a copy of the descriptor.
  void release();
  // Whether its file, if it has one, still lies in the directory.
  bool isIntact() const;

 private:
  int attempt(int directory, std::string& holder);

  int directory_ = -1;
  Descriptor socket_;
  std::string name_;  // of its file; none if it has none
};

}  // namespace walrus
