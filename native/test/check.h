// The least that a test needs: CHECK says what was expected and where, and the program goes on; main returns `failed`.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

#include <unistd.h>

inline int checked = 0;
inline int failed = 0;

#define CHECK(condition)                                                            \
  do {                                                                              \
    checked++;                                                                      \
    if (!(condition)) {                                                             \
      failed++;                                                                     \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);  \
    }                                                                               \
  } while (false)

inline int report(const char* name) {
  std::printf("%s: %d checked, %d failed\n", name, checked, failed);
  return failed == 0 ? 0 : 1;
}

// A directory that is gone at the end.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    const char* base = std::getenv("TMPDIR");
    path_ = std::string(base == nullptr ? "/tmp" : base) + "/walrus-test-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() {
    const std::string command = "rm -rf '" + path_ + "'";
    if (std::system(command.c_str()) != 0) std::perror("rm");
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};
