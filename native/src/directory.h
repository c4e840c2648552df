// A directory of plain files: names in, descriptors out. Holds the lock that keeps other processes away.
// Nothing here reaches outside of the directory, whatever a name says.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lock_socket.h"

namespace walrus {

struct FileEntry {
  std::string name;
  std::uint64_t sizeBytes;
};

// All of these return an errno, 0 if none.
class Directory {
 public:
  explicit Directory(std::string path) : path_(std::move(path)) {}

  // Creates the directory if need be and takes its lock. EWOULDBLOCK: another has it, and `holder` says who.
  int lock(std::string& holder);
  const std::string& path() const { return path_; }
  bool isLocked() const { return static_cast<bool>(directory_); }
  void unlock();
  // Whether it is still what was locked. If it was removed or emptied, another may be at work under its path.
  bool isIntact() const;

  int list(std::vector<FileEntry>& entries) const;
  // Opens for reading and writing; `flags` may add O_CREAT | O_EXCL or O_DIRECT.
  int openFile(const std::string& name, int flags, Descriptor& descriptor) const;
  int rename(const std::string& from, const std::string& to) const;
  int unlink(const std::string& name) const;
  int sync() const;

 private:
  std::string path_;
  Descriptor directory_;
  std::unique_ptr<LockSocket> lockSocket_;
};

// Whether a file in this directory (or, if it does not exist yet, in the nearest one above it that does) takes
// direct writes: writes one block to a file without a name. Returns an errno, 0 if it does.
int probeDirect(const std::string& path);

}  // namespace walrus
