#include "../src/disk.h"
#include "../src/zero_fill.h"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <chrono>
#include <cstring>
#include <map>
#include <random>
#include <stdexcept>
#include <thread>

#include "check.h"
#include "faults.h"

using namespace walrus;

namespace {

// What Node's thread is in production: submits, is told, takes, and keeps the books.
class Owner {
 public:
  explicit Owner(Options options) {
    options.onCompletions = [this] {
      const std::lock_guard lock(mutex_);
      told_ = true;
      condition_.notify_one();
    };
    disk = std::make_unique<Disk>(std::move(options));
  }

  std::uint32_t submit(Request request) {
    request.slot = ++lastSlot_;
    disk->submit(std::move(request));
    return lastSlot_;
  }

  // As production does: in place if the disk likes to, else as ever.
  std::uint32_t submitOrTryInline(const Request& request) {
    if (!disk->tryInline(request)) return submit(request);
    completions_[++lastSlot_] = Completion();
    return lastSlot_;
  }

  Completion wait(std::uint32_t slot) {
    while (!completions_.contains(slot)) take();
    return completions_[slot];
  }

  void waitForAll() {
    while (completions_.size() < lastSlot_) take();
  }

  Completion run(Request request) { return wait(submit(std::move(request))); }

  FileHandle open(const std::string& name, bool create) {
    Request request;
    request.op = Op::open;
    request.name = name;
    request.create = create;
    const Completion completion = run(std::move(request));
    CHECK(completion.error == DiskError::none);
    return completion.file;
  }

  Request request(Op op, FileHandle file = 0) const {
    Request request;
    request.op = op;
    request.file = file;
    return request;
  }

  Request transfer(Op op, FileHandle file, std::uint64_t offset, std::uint8_t* data, std::size_t length) const {
    Request transfer = request(op, file);
    transfer.offset = offset;
    transfer.data = data;
    transfer.length = length;
    return transfer;
  }

  void drain() {
    disk->drain();
    while (!disk->isDrained()) take();
    take(false);
    CHECK(completions_.size() == lastSlot_);
  }

 private:
  void take(bool wait = true) {
    if (wait) {
      std::unique_lock lock(mutex_);
      condition_.wait(lock, [this] { return told_; });
      told_ = false;
    }
    std::vector<Completion> taken;
    disk->takeCompletions(taken);
    for (Completion& completion : taken) {
      if (completion.slot == engineChangedSlot) {
        notices.push_back(completion.detail);
        continue;
      }
      CHECK(completion.slot >= 1 && completion.slot <= lastSlot_);
      CHECK(!completions_.contains(completion.slot));
      completions_[completion.slot] = std::move(completion);
    }
  }

  std::mutex mutex_;
  std::condition_variable condition_;
  bool told_ = false;
  std::uint32_t lastSlot_ = 0;
  std::map<std::uint32_t, Completion> completions_;

 public:
  std::vector<std::string> notices;
  // Last, so that its thread is gone before the rest of this is.
  std::unique_ptr<Disk> disk;
};

Options optionsOf(const std::string& directory, Engine engine, Direct direct) {
  Options options;
  options.directory = directory;
  options.engine = engine;
  options.direct = direct;
  return options;
}

// Aligned and unaligned writes of all sizes, many at a time, none of them overlapping; then all is read back.
void keepsWhatWasWritten(const Options& options) {
  Owner owner(options);
  CHECK(owner.run(owner.request(Op::lock)).error == DiskError::none);
  const FileHandle file = owner.open("file", true);
  constexpr std::size_t size = 4 << 20;
  const AlignedBuffer model(size);
  std::mt19937 random(7);
  for (std::size_t i = 0; i < size; i++) model.data()[i] = static_cast<std::uint8_t>(random());
  std::size_t at = 0;
  std::vector<std::uint32_t> writes;
  while (at < size) {
    // From the end of one write the next begins, now aligned and now not.
    const bool aligned = random() % 2 == 0;
    std::size_t length = aligned ? 4096 * (1 + random() % 30) : 1 + random() % 9000;
    if (aligned && at % 4096 != 0) length = 4096 - at % 4096;
    length = std::min(length, size - at);
    writes.push_back(owner.submitOrTryInline(owner.transfer(Op::write, file, at, model.data() + at, length)));
    if (random() % 8 == 0) writes.push_back(owner.submitOrTryInline(owner.request(Op::sync, file)));
    if (random() % 4 == 0) owner.wait(writes.back());
    at += length;
  }
  for (const std::uint32_t slot : writes) CHECK(owner.wait(slot).error == DiskError::none);
  const AlignedBuffer into(size);
  for (std::size_t from = 0; from < size; from += 100'003) {
    const std::size_t length = std::min<std::size_t>(100'003, size - from);
    owner.submit(owner.transfer(Op::read, file, from, into.data() + from, length));
  }
  owner.waitForAll();
  CHECK(std::memcmp(into.data(), model.data(), size) == 0);
  const Completion end = owner.run(owner.transfer(Op::read, file, size - 5, into.data(), 10));
  CHECK(end.error == DiskError::none && end.length == 5);
  if (owner.disk->choice().direct) CHECK(owner.disk->counters().directWrites > 0);
  CHECK(owner.disk->counters().bufferedWrites > 0);
  owner.drain();
}

// A log of small synced writes, now and then a large or an unaligned one, and a reader behind it: blocks are zero-filled ahead, and never
// over a byte that was written.
void zeroFillsAheadOfWhatIsWritten(const Options& options) {
  Owner owner(options);
  CHECK(owner.run(owner.request(Op::lock)).error == DiskError::none);
  const FileHandle file = owner.open("zeroFill", true);
  constexpr std::size_t size = 3 << 20;
  Request allocate = owner.request(Op::allocate, file);
  allocate.offset = size;
  CHECK(owner.run(allocate).error == DiskError::none);
  const AlignedBuffer model(size);
  const AlignedBuffer into(size);
  std::mt19937 random(11);
  std::size_t at = 0;
  while (at + (600 << 10) < size) {
    std::size_t length = 4096;
    if (random() % 40 == 0) length = 100 << 10;
    if (random() % 40 == 0) length = 600 << 10;
    const std::size_t written = random() % 20 == 0 ? length - 100 : length;
    for (std::size_t i = 0; i < written; i++) model.data()[at + i] = static_cast<std::uint8_t>(random() | 1U);
    owner.submitOrTryInline(owner.transfer(Op::write, file, at, model.data() + at, written));
    const std::uint32_t sync = owner.submitOrTryInline(owner.request(Op::sync, file));
    // Some are awaited, some overtaken.
    if (random() % 2 == 0) CHECK(owner.wait(sync).error == DiskError::none);
    at += length;
  }
  owner.waitForAll();
  CHECK(owner.run(owner.transfer(Op::read, file, 0, into.data(), size)).length == size);
  CHECK(std::memcmp(into.data(), model.data(), size) == 0);
  CHECK((owner.disk->counters().bytesZeroFilled > 0) == owner.disk->choice().direct);
  const std::uint32_t close = owner.submit(owner.request(Op::close, file));
  CHECK(owner.wait(close).error == DiskError::none);
  owner.drain();
}

// Into an arena reads go past the page cache, and see what went through it; the end of the file may lie in a block.
void readsIntoArenas(const Options& options) {
  Owner owner(options);
  CHECK(owner.run(owner.request(Op::lock)).error == DiskError::none);
  const FileHandle file = owner.open("arena", true);
  const AlignedBuffer into(1 << 20);
  owner.disk->addArena(into.data(), into.size());
  std::vector<std::uint8_t> bytes(300'001);
  for (std::size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<std::uint8_t>(i * 7 + 1);
  CHECK(owner.run(owner.transfer(Op::write, file, 0, bytes.data(), bytes.size())).error == DiskError::none);
  for (const std::size_t from : {std::size_t{0}, std::size_t{4096}, std::size_t{100'000}, std::size_t{294'912}}) {
    const Completion read = owner.run(owner.transfer(Op::read, file, from, into.data(), into.size()));
    CHECK(read.error == DiskError::none && read.length == bytes.size() - from);
    CHECK(std::memcmp(into.data(), bytes.data() + from, bytes.size() - from) == 0);
  }
  CHECK(owner.run(owner.transfer(Op::read, file, 1 << 20, into.data(), 4096)).length == 0);
  owner.drain();
}

// What is small is done when the call returns, if nothing is under way; and what fails is as if it had been submitted.
void runsInlineWhatIsFast(const Options& options) {
  Owner owner(options);
  owner.run(owner.request(Op::lock));
  const FileHandle file = owner.open("brief", true);
  const AlignedBuffer buffer(1 << 20);
  std::memset(buffer.data(), 7, buffer.size());
  const Request small = owner.transfer(Op::write, file, 0, buffer.data(), 1000);
  const auto tryInlineAtRest = [&](const Request& request) {
    while (!owner.disk->tryInline(request)) owner.run(request);
  };
  tryInlineAtRest(small);
  std::uint8_t into[1000] = {};
  CHECK(owner.run(owner.transfer(Op::read, file, 0, into, 1000)).length == 1000);
  CHECK(into[999] == 7);
  CHECK(owner.disk->counters().inlined == 1);

  // Not what is large, nor what no file is open for.
  CHECK(!owner.disk->tryInline(owner.transfer(Op::write, file, 0, buffer.data(), buffer.size())));
  CHECK(!owner.disk->tryInline(owner.transfer(Op::write, 77, 0, buffer.data(), 1000)));
  // Not beside something else, nor before something that came earlier.
  owner.submit(owner.transfer(Op::write, file, 0, buffer.data(), buffer.size()));
  CHECK(!owner.disk->tryInline(owner.request(Op::sync, file)));
  // Not the sync of much.
  owner.waitForAll();
  for (int i = 0; i < 1000; i++) CHECK(!owner.disk->tryInline(owner.request(Op::sync, file)));
  CHECK(owner.run(owner.request(Op::sync, file)).error == DiskError::none);

  onWrite.arm(2, ENOSPC);
  for (int i = 0; i < 1000 && onWrite.count == 2; i++) CHECK(!owner.disk->tryInline(small));
  CHECK(owner.run(small).error == DiskError::noSpace);
  onWrite.arm(0, 0);
  tryInlineAtRest(small);
  // A sync that failed in place has failed for ever. Whether it is tried in place depends on the disk.
  onSync.arm(1, EIO);
  for (int i = 0; i < 1000 && onSync.count == 1; i++) CHECK(!owner.disk->tryInline(owner.request(Op::sync, file)));
  for (int i = 0; i < 2; i++) {
    CHECK(!owner.disk->tryInline(owner.request(Op::sync, file)));
    const Completion refused = owner.run(owner.request(Op::sync, file));
    CHECK(refused.error == DiskError::io);
    CHECK(refused.detail.find("EIO") != std::string::npos);
  }
  owner.drain();
  CHECK(!owner.disk->tryInline(small));
}

void waitsInPlaceOnlyForAQuickDisk() {
  using namespace std::chrono_literals;
  RecentLatency latency;
  Transfer write;
  write.kind = Transfer::Kind::write;
  const auto isFast = [&](bool isDirect) { return latency.isFast(Transfer::Kind::write, isDirect); };
  CHECK(isFast(false) && !isFast(true) && !latency.isFast(Transfer::Kind::sync, false));
  write.isDirect = true;
  latency.record(write, 100us);
  CHECK(isFast(true));
  latency.record(write, 2ms);
  CHECK(isFast(false) && !isFast(true));
  write.isDirect = false;
  latency.record(write, 1ms);
  CHECK(!isFast(false));
  Transfer sync;
  latency.record(sync, 299us);
  CHECK(latency.isFast(Transfer::Kind::sync, false));
  latency.record(sync, 300us);
  CHECK(!latency.isFast(Transfer::Kind::sync, false));
}

void zeroFillsOnlyWhereItPays() {
  ZeroFill zeroFill;
  zeroFill.preallocated(10 << 20);
  zeroFill.writing(0, 4096);
  CHECK(zeroFill.next().length == 0);  // the file was there before
  zeroFill.created();
  const ZeroFill::Range first = zeroFill.next();
  CHECK(first.offset == 4096 && first.length == ZeroFill::stepBytes);
  CHECK(zeroFill.next().length == 0);  // enough is filled
  CHECK(first.meets(0, 4097) && first.meets(4096 + ZeroFill::stepBytes - 1, 1) && first.meets(0, 1 << 20));
  CHECK(!first.meets(0, 4096) && !first.meets(4096 + ZeroFill::stepBytes, 4096));
  zeroFill.writing(4096, 256 << 10);
  CHECK(zeroFill.next().length == 0);
  zeroFill.writing(260 << 10, 256 << 10);
  CHECK(zeroFill.next().length == 0);  // writes are large
  zeroFill.writing(516 << 10, 100);
  const ZeroFill::Range second = zeroFill.next();
  CHECK(second.offset == 520 << 10 && second.length == ZeroFill::stepBytes);
  zeroFill.writing((10 << 20) - 8192, 100);
  const ZeroFill::Range last = zeroFill.next();
  CHECK(last.offset == (10 << 20) - 4096 && last.length == 4096);
  zeroFill.writing((10 << 20) - 4096, 4096);
  CHECK(zeroFill.next().length == 0);  // nothing is preallocated beyond
}

void closesBehindWhatUsesTheFile(const Options& options) {
  Owner owner(options);
  owner.run(owner.request(Op::lock));
  const FileHandle file = owner.open("closing", true);
  const AlignedBuffer buffer(1 << 20);
  std::vector<std::uint32_t> writes;
  for (std::uint64_t i = 0; i < 8; i++) {
    writes.push_back(owner.submit(owner.transfer(Op::write, file, i << 20, buffer.data(), buffer.size())));
  }
  const std::uint32_t close = owner.submit(owner.request(Op::close, file));
  const std::uint32_t late = owner.submit(owner.transfer(Op::write, file, 0, buffer.data(), 4096));
  for (const std::uint32_t slot : writes) CHECK(owner.wait(slot).error == DiskError::none);
  CHECK(owner.wait(close).error == DiskError::none);
  CHECK(owner.wait(late).error == DiskError::io);
  CHECK(owner.open("closing", false) != file);
  owner.drain();
}

// Drained: all of it is carried out. Stopped: nothing uses the memory any more, which the sanitizer watches.
void endsWithRequestsInFlight(const Options& options) {
  for (int round = 0; round < 10; round++) {
    Owner owner(options);
    owner.run(owner.request(Op::lock));
    const FileHandle file = owner.open("ending-" + std::to_string(round), true);
    auto buffer = std::make_unique<AlignedBuffer>(1 << 20);
    for (std::uint64_t i = 0; i < 40; i++) {
      owner.submit(owner.transfer(Op::write, file, i << 18, buffer->data(), 1 << 18));
      if (i % 5 == 0) owner.submit(owner.request(Op::sync, file));
    }
    if (round % 2 == 0) {
      owner.drain();
    } else {
      owner.disk->stop();
      buffer = nullptr;
    }
  }
}

void demandsItsLock(const Options& options) {
  Owner owner(options);
  CHECK(owner.run(owner.request(Op::list)).error == DiskError::io);
  CHECK(owner.run(owner.request(Op::lock)).error == DiskError::none);
  Owner second(options);
  const Completion refused = second.run(second.request(Op::lock));
  CHECK(refused.error == DiskError::locked);
  CHECK(refused.detail == options.directory + " is locked by this process");
  CHECK(owner.run(owner.request(Op::sync, 77)).error == DiskError::io);
  owner.drain();
  CHECK(second.run(second.request(Op::lock)).error == DiskError::none);
  second.drain();
}

void tellsFailuresByName(const Options& options) {
  Owner owner(options);
  owner.run(owner.request(Op::lock));
  const FileHandle file = owner.open("failing", true);
  const AlignedBuffer buffer(8192);
  onWrite.arm(1, ENOSPC);
  const Completion full = owner.run(owner.transfer(Op::write, file, 0, buffer.data(), 8192));
  CHECK(full.error == DiskError::noSpace);
  CHECK(full.detail == "write failing at 0: ENOSPC: the device is full");
  onWrite.arm(1, EFBIG);
  CHECK(owner.run(owner.transfer(Op::write, file, 0, buffer.data(), 8192)).error == DiskError::noSpace);
  onWrite.arm(1, 0, 4096);
  CHECK(owner.run(owner.transfer(Op::write, file, 0, buffer.data(), 8192)).error == DiskError::none);
  onAllocate.arm(1, ENOSPC);
  Request allocate = owner.request(Op::allocate, file);
  allocate.offset = 1 << 20;
  CHECK(owner.run(allocate).error == DiskError::noSpace);
  CHECK(owner.run(allocate).error == DiskError::none);

  // Once is for ever: the second sync would find clean pages and call them durable.
  onSync.arm(1, EIO);
  CHECK(owner.run(owner.request(Op::sync, file)).error == DiskError::io);
  const Completion again = owner.run(owner.request(Op::sync, file));
  CHECK(again.error == DiskError::io);
  CHECK(again.detail.find("failing") != std::string::npos);
  const FileHandle other = owner.open("other", true);
  CHECK(owner.run(owner.request(Op::sync, other)).error == DiskError::none);
  onRead.arm(1, EIO);
  CHECK(owner.run(owner.transfer(Op::read, file, 0, buffer.data(), 100)).error == DiskError::io);
  CHECK(owner.disk->counters().failures == 6);
  owner.drain();
}

// The same of what comes back from the ring: of several in flight only the one that failed is told to have.
void tellsFailuresOfTheRing(const Options& options) {
  Owner owner(options);
  owner.run(owner.request(Op::lock));
  const FileHandle file = owner.open("ring", true);
  const AlignedBuffer buffer(1 << 20);
  constexpr std::size_t part = 256 << 10;
  for (std::size_t i = 0; i < buffer.size(); i++) buffer.data()[i] = static_cast<std::uint8_t>(i * 13 + i / 4096);
  const auto writeAll = [&] {
    std::vector<std::uint32_t> slots;
    for (std::size_t at = 0; at < buffer.size(); at += part) {
      slots.push_back(owner.submit(owner.transfer(Op::write, file, at, buffer.data() + at, part)));
    }
    return slots;
  };
  for (const int errnoValue : {EIO, ENOSPC, EFBIG}) {
    onRingWrite.arm(1, errnoValue);
    int failures = 0;
    for (const std::uint32_t slot : writeAll()) {
      const Completion completion = owner.wait(slot);
      if (completion.error == DiskError::none) continue;
      failures++;
      CHECK(completion.error == (errnoValue == EIO ? DiskError::io : DiskError::noSpace));
      CHECK(completion.detail.find("write ring at ") == 0);
      CHECK(completion.detail.find(errnoName(errnoValue)) != std::string::npos);
    }
    CHECK(failures == 1);
  }
  // Interrupted, and cut short: it goes on to the end.
  onRingWrite.arm(1, EINTR);
  for (const std::uint32_t slot : writeAll()) CHECK(owner.wait(slot).error == DiskError::none);
  onRingWrite.arm(2, 0, 8192);
  for (const std::uint32_t slot : writeAll()) CHECK(owner.wait(slot).error == DiskError::none);
  CHECK(owner.disk->counters().interruptions == 1 && owner.disk->counters().shortTransfers == 2);
  const AlignedBuffer into(buffer.size());
  CHECK(owner.run(owner.transfer(Op::read, file, 0, into.data(), into.size())).length == into.size());
  CHECK(std::memcmp(into.data(), buffer.data(), into.size()) == 0);
  onRingRead.arm(1, EIO);
  CHECK(owner.run(owner.transfer(Op::read, file, 0, into.data(), into.size())).error == DiskError::io);
  CHECK(owner.run(owner.transfer(Op::read, file, 0, into.data(), into.size())).error == DiskError::none);

  // A sync goes through the ring or, if it is alone, not.
  const FileHandle other = owner.open("other", true);
  onRingSync.arm(1, EIO);
  onSync.arm(1, EIO);
  const std::uint32_t busy = owner.submit(owner.transfer(Op::write, other, 0, buffer.data(), buffer.size()));
  CHECK(owner.run(owner.request(Op::sync, file)).error == DiskError::io);
  onRingSync.arm(0, 0);
  onSync.arm(0, 0);
  CHECK(owner.wait(busy).error == DiskError::none);
  CHECK(owner.run(owner.request(Op::sync, file)).error == DiskError::io);
  CHECK(owner.run(owner.request(Op::sync, other)).error == DiskError::none);
  owner.drain();
}

// The ring is refused in mid-course, sooner or later: what the kernel has taken comes back, all else goes by plain calls, and nothing fails.
void outlivesItsRing(const Options& options) {
  constexpr std::size_t part = 64 << 10;
  for (int entersBefore = 0; entersBefore < 12; entersBefore++) {
    Owner owner(options);
    owner.run(owner.request(Op::lock));
    const FileHandle file = owner.open("outliving-" + std::to_string(entersBefore), true);
    const AlignedBuffer buffer(4 << 20);
    const AlignedBuffer into(buffer.size());
    for (std::size_t i = 0; i < buffer.size(); i++) buffer.data()[i] = static_cast<std::uint8_t>(i * 11 + i / 4096);
    onRingEnter.arm(1'000'000, EPERM, 0, entersBefore);
    std::vector<std::uint32_t> slots;
    for (std::size_t at = 0; at < buffer.size(); at += part) {
      slots.push_back(owner.submit(owner.transfer(Op::write, file, at, buffer.data() + at, part)));
    }
    slots.push_back(owner.submit(owner.request(Op::sync, file)));
    for (const std::uint32_t slot : slots) CHECK(owner.wait(slot).error == DiskError::none);
    std::vector<std::uint32_t> reads;
    for (std::size_t at = 0; at < buffer.size(); at += part) {
      reads.push_back(owner.submit(owner.transfer(Op::read, file, at, into.data() + at, part)));
    }
    for (const std::uint32_t slot : reads) CHECK(owner.wait(slot).length == part);
    CHECK(std::memcmp(into.data(), buffer.data(), into.size()) == 0);
    // Asleep, it is still woken.
    for (int i = 0; i < 20; i++) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      CHECK(owner.run(owner.transfer(Op::write, file, 0, buffer.data(), part)).error == DiskError::none);
    }
    CHECK(owner.notices.size() == 1 && owner.notices[0].find("EPERM") != std::string::npos);
    CHECK(owner.disk->choice().engine == Engine::pwrite);
    CHECK(owner.disk->choice().engineReason == owner.notices[0]);
    owner.drain();
    onRingEnter.arm(0, 0);
  }
}

bool ringIsRefused() {
  const ScratchDirectory scratch;
  try {
    Owner owner(optionsOf(scratch.path(), Engine::ioUring, Direct::no));
    owner.drain();
    return false;
  } catch (const std::runtime_error& refusal) {
    std::printf("disk: %s\n", refusal.what());
    return true;
  }
}

void choosesAndSaysWhy() {
  const ScratchDirectory scratch;
  Options options = optionsOf(scratch.path(), Engine::ioUring, Direct::no);
  options.ringForbidden = "WALRUS_DISABLE_IO_URING is set";
  std::string refusal;
  try {
    Owner owner(options);
  } catch (const std::runtime_error& error) {
    refusal = error.what();
  }
  CHECK(refusal.find("WALRUS_DISABLE_IO_URING") != std::string::npos);
  options.engine = Engine::automatic;
  Owner owner(options);
  CHECK(owner.disk->choice().engine == Engine::pwrite);
  CHECK(!owner.disk->choice().engineReason.empty());
  CHECK(!owner.disk->choice().directReason.empty());
  owner.drain();
}

}  // namespace

int main() {
  choosesAndSaysWhy();
  zeroFillsOnlyWhereItPays();
  waitsInPlaceOnlyForAQuickDisk();
  std::vector<Engine> engines = {Engine::pwrite};
  if (!ringIsRefused()) engines.push_back(Engine::ioUring);
  for (const Engine engine : engines) {
    for (const Direct direct : {Direct::no, Direct::automatic}) {
      const ScratchDirectory scratch;
      const Options options = optionsOf(scratch.path() + "/disk", engine, direct);
      demandsItsLock(options);
      keepsWhatWasWritten(options);
      zeroFillsAheadOfWhatIsWritten(options);
      readsIntoArenas(options);
      runsInlineWhatIsFast(options);
      closesBehindWhatUsesTheFile(options);
      endsWithRequestsInFlight(options);
      if (engine == Engine::pwrite) tellsFailuresByName(options);
      else tellsFailuresOfTheRing(options);
      if (engine == Engine::ioUring) outlivesItsRing(options);
    }
  }
  return report("disk");
}
