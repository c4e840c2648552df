// The disk port in C++: requests in, completions out, and one thread of its own between them. Knows files and the
// order that requests must keep; neither Node nor what the bytes mean.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "directory.h"
#include "failure.h"
#include "recent_latency.h"
#include "io_engine.h"

namespace walrus {

enum class Op : std::uint8_t {
  lock, list, open, allocate, write, read, sync, close, rename, unlink, syncDirectory, seekData,
  zeroFillAhead,  // the disk's own
};

using FileHandle = std::uint32_t;

struct Request {
  Op op = Op::lock;
  bool create = false;             // of open
  std::uint32_t slot = 0;          // the caller's; comes back in the completion
  FileHandle file = 0;
  std::uint64_t offset = 0;        // of write, read and seekData; of allocate the size
  std::uint8_t* data = nullptr;    // of write and read: the disk's until the completion
  std::size_t length = 0;
  std::string name;
  std::string newName;             // of rename
};

struct Completion {
  std::uint32_t slot = 0;
  DiskError error = DiskError::none;
  FileHandle file = 0;             // of open
  std::uint64_t length = 0;        // of open the size, of read the bytes filled, of seekData the offset
  std::string detail;              // of an error
  bool isList = false;
  std::vector<FileEntry> files;    // of list, in no order
};

// The slot of a completion that answers no request: from now on another engine is used, `detail` says why.
constexpr std::uint32_t engineChangedSlot = UINT32_MAX;

enum class Engine { automatic, ioUring, pwrite };
enum class Direct { automatic, yes, no };

struct Options {
  std::string directory;
  Engine engine = Engine::automatic;
  Direct direct = Direct::automatic;
  // Each write is followed by a sync that somebody waits for.
  bool syncsEach = false;
  // Why io_uring must not be tried; empty if it may.
  std::string ringForbidden;
  // Called by the disk's thread, never twice without a takeCompletions() in between.
  std::function<void()> onCompletions;
};

// What was chosen, and why.
struct Choice {
  Engine engine = Engine::pwrite;
  std::string engineReason;
  bool direct = false;
  std::string directReason;
};

// Counted since the disk was opened. Written by the disk's thread, read by any.
struct Counters {
  std::atomic<std::uint64_t> directWrites = 0;
  std::atomic<std::uint64_t> bufferedWrites = 0;
  std::atomic<std::uint64_t> bytesWritten = 0;
  std::atomic<std::uint64_t> bytesZeroFilled = 0;  // zeros ahead of small durable writes, see zero_fill.h
  std::atomic<std::uint64_t> reads = 0;
  std::atomic<std::uint64_t> bytesRead = 0;
  std::atomic<std::uint64_t> syncs = 0;
  std::atomic<std::uint64_t> inlined = 0;  // of the writes and syncs, those that `tryInline` did
  std::atomic<std::uint64_t> failures = 0;
  std::atomic<std::uint64_t> completions = 0;
  std::atomic<std::uint64_t> deliveries = 0;
  std::atomic<std::uint64_t> inFlightMax = 0;
  std::atomic<std::uint64_t> shortTransfers = 0;
  std::atomic<std::uint64_t> interruptions = 0;
  std::atomic<std::uint64_t> registeredBytes = 0;
};

class Disk {
 public:
  // Throws std::runtime_error if what the options demand cannot be had.
  explicit Disk(Options options);
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;
  ~Disk();

  // Starts one request. Its completion comes exactly once, unless `stop` comes first.
  void submit(Request request);

  // Carries a small write or sync out on the caller's thread, if nothing is under way and the disk is quick enough that to
  // wake another thread would take longer. True: it is done, and there is no completion. False: `submit` it, also after
  // a failure, which comes back in the completion then.
  bool tryInline(const Request& request);

  // Tells of memory that many requests will use, and that stays until `stop` has returned or `isDrained`. Aligned reads into
  // it go past the page cache.
  void addArena(std::uint8_t* data, std::size_t length);

  // Moves what has completed since the last call into `completions`.
  void takeCompletions(std::vector<Completion>& completions);

  // Carries out all that was submitted, then ends the thread. `onCompletions` is called once more, after
  // which `isDrained` is true.
  void drain();
  bool isDrained() const { return drained_.load(std::memory_order_acquire); }

  // Returns once no memory of a request is in use any more: waits for what has begun, drops what has not. After it, and
  // once drained, only what is const may be called.
  void stop();

  // Of the engine: the one that is used now.
  Choice choice() const;
  const Counters& counters() const { return counters_; }

 private:
  struct OpenFile;
  struct Flight;
  enum class Ending : std::uint8_t { no, drain, stop };

  void run();
  void begin(Request request);
  void lock(const Request& request);
  void openFile(const Request& request);
  void forget(const OpenFile& file);
  void beginOnFile(Request request);
  OpenFile* openFileOf(const Request& request) const;  // null if none is open
  void beginWaiting(OpenFile& file);
  bool mayBegin(const OpenFile& file, const Request& request) const;
  bool goesDirect(const OpenFile& file, const Request& request) const;
  bool isInArena(const Request& request) const;
  void beginTransfer(OpenFile& file, const Request& request);
  std::unique_ptr<Flight> prepare(OpenFile& file, const Request& request);
  bool isFast(const OpenFile& file, const Request& request) const;
  void zeroFillAhead(OpenFile& file);
  void start(std::unique_ptr<Flight> flight);
  void finish(std::unique_ptr<Flight> flight);
  void settle(const Flight& flight);
  void conclude(const Request& request, int failure, const std::string& fileName = "");
  void fail(const Request& request, const std::string& fileName, int failure);
  void complete(Completion completion);
  void noticeEngine();
  void publish();

  const std::function<void()> onCompletions_;
  Directory directory_;
  Counters counters_;
  std::unique_ptr<IoEngine> engine_;

  // The disk's thread alone; while it rests, whoever has the mutex.
  std::vector<std::unique_ptr<OpenFile>> files_;  // by handle - 1; closed ones are null
  std::size_t inFlight_ = 0;
  RecentLatency latency_;
  std::vector<Completion> ready_;
  std::unique_ptr<AlignedBuffer> zeros_;  // to fill with, if the disk is direct
  std::vector<std::pair<std::uint8_t*, std::size_t>> arenas_;

  // Shared, under the mutex.
  mutable std::mutex mutex_;
  Choice choice_;  // the disk's thread alone changes it
  std::vector<Request> inbox_;
  std::vector<Completion> outbox_;
  std::vector<std::pair<std::uint8_t*, std::size_t>> newArenas_;
  bool asleep_ = false;
  bool isIdle_ = false;  // nothing is under way, and the thread touches nothing before it has the mutex
  bool announced_ = false;
  Ending ending_ = Ending::no;

  std::atomic<bool> arrived_ = false;  // something is, or was a moment ago, in the inbox
  std::atomic<bool> drained_ = false;
  std::thread thread_;
};

}  // namespace walrus
