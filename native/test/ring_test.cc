#include "../src/ring.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <map>
#include <vector>

#include "../src/file.h"
#include "check.h"

using namespace walrus;

namespace {

using Results = std::map<std::uint64_t, long>;

// Until all of `count` have come.
Results complete(Ring& ring, std::size_t count) {
  Results results;
  while (results.size() < count) {
    ring.submit(true);
    ring.forEachCompletion([&](std::uint64_t tag, long result) {
      CHECK(!results.contains(tag));
      results[tag] = result;
    });
  }
  return results;
}

void movesBytes(Ring& ring, int fd) {
  const AlignedBuffer out(1 << 20);
  const AlignedBuffer in(1 << 20);
  for (std::size_t i = 0; i < out.size(); i++) out.data()[i] = static_cast<std::uint8_t>(i * 7 + i / 4096);
  CHECK(ring.prepareWrite(fd, out.data(), out.size(), 0, 1));
  CHECK(complete(ring, 1)[1] == static_cast<long>(out.size()));
  CHECK(ring.prepareSync(fd, 2));
  CHECK(complete(ring, 1)[2] == 0);
  CHECK(ring.prepareRead(fd, in.data(), in.size(), 0, 3));
  CHECK(complete(ring, 1)[3] == static_cast<long>(in.size()));
  CHECK(std::equal(out.data(), out.data() + out.size(), in.data()));
  CHECK(ring.prepareRead(fd, in.data(), 100, out.size() - 10, 4));
  CHECK(complete(ring, 1)[4] == 10);
}

void refusesWhenFull(Ring& ring, int fd, std::size_t entries) {
  std::vector<std::uint8_t> byte(1);
  std::size_t taken = 0;
  while (ring.prepareRead(fd, byte.data(), 1, 0, 100 + taken)) taken++;
  CHECK(taken == entries);
  CHECK(complete(ring, taken).size() == taken);
  CHECK(ring.prepareSync(fd, 1));
  CHECK(complete(ring, 1)[1] == 0);
}

void failsByErrno(Ring& ring) {
  std::vector<std::uint8_t> bytes(10);
  CHECK(ring.prepareWrite(-1, bytes.data(), bytes.size(), 0, 1));
  CHECK(complete(ring, 1)[1] == -EBADF);
  const Descriptor full(::open("/dev/full", O_RDWR));
  CHECK(ring.prepareWrite(full.get(), bytes.data(), bytes.size(), 0, 2));
  CHECK(complete(ring, 1)[2] == -ENOSPC);
}

void wakesByPoll(Ring& ring) {
  const Descriptor wakeup(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  CHECK(ring.preparePoll(wakeup.get(), 9));
  ring.submit(false);
  std::size_t seen = 0;
  ring.forEachCompletion([&](std::uint64_t, long) { seen++; });
  CHECK(seen == 0);
  const std::uint64_t one = 1;
  CHECK(::write(wakeup.get(), &one, sizeof one) == sizeof one);
  CHECK(complete(ring, 1).contains(9));
}

void registersWhatTheLimitAllows(Ring& ring, int fd) {
  const AlignedBuffer memory(1 << 20);
  CHECK(ring.registerMemory(memory.data(), memory.size()));
  CHECK(ring.registeredBytes() == memory.size());
  CHECK(ring.registerFile(fd));
  movesBytes(ring, fd);
  memory.data()[5000] = 42;
  CHECK(ring.prepareWrite(fd, memory.data() + 4096, 4096, 0, 1));
  CHECK(complete(ring, 1)[1] == 4096);
  std::vector<std::uint8_t> into(4096);
  CHECK(ring.prepareRead(fd, into.data(), into.size(), 0, 2));
  CHECK(complete(ring, 1)[2] == 4096);
  CHECK(into[5000 - 4096] == 42);
  // A closed one is forgotten, and its number may stand for another file.
  ring.forgetFile(fd);
  CHECK(ring.registeredFiles() == 0);
  movesBytes(ring, fd);
}

}  // namespace

int main() {
  constexpr unsigned entries = 8;
  int failure = 0;
  const std::unique_ptr<Ring> ring = Ring::open(entries, failure);
  if (ring == nullptr) {
    std::printf("ring: refused here (errno %d), so nothing was tested\n", failure);
    return 77;
  }
  const ScratchDirectory scratch;
  const Descriptor file(::open((scratch.path() + "/file").c_str(), O_RDWR | O_CREAT, 0600));
  movesBytes(*ring, file.get());
  refusesWhenFull(*ring, file.get(), entries);
  failsByErrno(*ring);
  wakesByPoll(*ring);
  registersWhatTheLimitAllows(*ring, file.get());
  CHECK(Ring::open(0, failure) == nullptr);
  CHECK(failure == EINVAL);
  return report("ring");
}
