#include "disk.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <future>
#include <stdexcept>

#include "zero_fill.h"
#include "adaptive_spin.h"
#include "pwrite_engine.h"
#include "uring_engine.h"

namespace walrus {

// An open file, what of it is under way, and what waits for that.
struct Disk::OpenFile {
  std::string name;
  Descriptor buffered;
  Descriptor direct;  // none if the disk or the file system does not do that
  std::size_t directWrites = 0;
  std::size_t bufferedWrites = 0;
  std::size_t readsAndSyncs = 0;
  // A failed sync loses the pages that it could not write, and the next one would say that all is well: its errno is that of
  // all that follow.
  int syncFailure = 0;
  std::size_t unsyncedBytes = 0;
  ZeroFill zeroFill;
  // The range being zero-filled, if any. No request's affair: a sync does not wait for it.
  ZeroFill::Range zeroFilling;
  std::deque<Request> waiting;

  bool isIdle() const {
    return directWrites == 0 && bufferedWrites == 0 && readsAndSyncs == 0 && zeroFilling.length == 0;
  }
};

// A transfer under way, and the request that it carries out.
struct Disk::Flight : Transfer {
  Request request;
  OpenFile* file = nullptr;
  bool isZeroFill = false;
  RecentLatency::Clock::time_point begun;
};

namespace {

void raise(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

std::string operationOf(const Request& request, const std::string& fileName) {
  switch (request.op) {
    case Op::lock: return "lock";
    case Op::list: return "list";
    case Op::open: return (request.create ? "create " : "open ") + request.name;
    case Op::allocate: return "allocate " + std::to_string(request.offset) + " bytes for " + fileName;
    case Op::write: return "write " + fileName + " at " + std::to_string(request.offset);
    case Op::read: return "read " + fileName + " at " + std::to_string(request.offset);
    case Op::sync: return "sync " + fileName;
    case Op::close: return "close " + fileName;
    case Op::rename: return "rename " + request.name + " to " + request.newName;
    case Op::unlink: return "unlink " + request.name;
    case Op::syncDirectory: return "sync directory";
    case Op::seekData: return "seek in " + fileName;
    case Op::zeroFillAhead: return "zero-fill " + fileName;
  }
  return "?";
}

// Whether it changes what lies in the directory, or believes it.
bool usesNames(Op op) {
  return op == Op::list || op == Op::open || op == Op::rename || op == Op::unlink;
}

Transfer::Kind kindOf(Op op) {
  if (op == Op::write) return Transfer::Kind::write;
  return op == Op::read ? Transfer::Kind::read : Transfer::Kind::sync;
}

// A sync that failed is never tried again, whatever for.
DiskError errorOf(Op op, int failure) {
  return op == Op::sync || op == Op::syncDirectory ? DiskError::io : diskErrorOf(failure);
}

void chooseDirect(const Options& options, Choice& choice) {
  if (options.direct == Direct::no) {
    choice.directReason = "not asked for";
    return;
  }
  const int refusal = probeDirect(options.directory);
  choice.direct = refusal == 0;
  choice.directReason = refusal == 0 ? "the file system takes direct writes"
                                     : describeFailure("the file system refuses direct writes", refusal);
  if (options.direct == Direct::yes && refusal != 0) throw std::runtime_error(choice.directReason);
}

std::unique_ptr<IoEngine> tryRing(const Options& options, std::string& refusal) {
  if (!options.ringForbidden.empty()) {
    refusal = "io_uring: " + options.ringForbidden;
    return nullptr;
  }
  int failure = 0;
  std::unique_ptr<IoEngine> ring = UringEngine::open(failure);
  if (ring == nullptr) refusal = describeFailure("io_uring is refused", failure);
  return ring;
}

// What `automatic` takes is what measured better, see README.md: the ring gains from several direct writes at a time
// and from nothing else, and a sync that waits for each of them leaves it few.
std::unique_ptr<IoEngine> chooseEngine(const Options& options, Choice& choice) {
  const bool isForced = options.engine != Engine::automatic;
  if (isForced) choice.engineReason = "asked for";
  if (options.engine == Engine::ioUring || (!isForced && choice.direct && !options.syncsEach)) {
    std::string refusal;
    std::unique_ptr<IoEngine> ring = tryRing(options, refusal);
    if (ring != nullptr) {
      choice.engine = Engine::ioUring;
      if (!isForced) choice.engineReason = "several direct writes at a time are faster so";
      return ring;
    }
    if (isForced) throw std::runtime_error(refusal);
    choice.engineReason = refusal;
  } else if (!isForced) {
    choice.engineReason = options.syncsEach ? "writes that are synced one by one are faster without io_uring"
                                            : "buffered writes gain nothing from io_uring";
  }
  choice.engine = Engine::pwrite;
  return std::make_unique<PwriteEngine>();
}

}  // namespace

Disk::Disk(Options options)
    : onCompletions_(std::move(options.onCompletions)), directory_(options.directory) {
  chooseDirect(options, choice_);
  if (choice_.direct) zeros_ = std::make_unique<AlignedBuffer>(ZeroFill::stepBytes);
  // A ring belongs to the thread that opened it, so the way is opened over there, and waited for here.
  std::promise<void> opened;
  thread_ = std::thread([this, &options, &opened] {
    try {
      engine_ = chooseEngine(options, choice_);
    } catch (...) {
      opened.set_exception(std::current_exception());
      return;
    }
    opened.set_value();
    run();
  });
  try {
    opened.get_future().get();
  } catch (...) {
    thread_.join();
    throw;
  }
}

Disk::~Disk() { stop(); }

void Disk::submit(Request request) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    inbox_.push_back(std::move(request));
    wake = std::exchange(asleep_, false);
  }
  arrived_.store(true, std::memory_order_release);
  if (wake) engine_->wake();
}

// The thread may wake up meanwhile, and waits for the mutex then.
bool Disk::tryInline(const Request& request) {
  {
    const std::lock_guard lock(mutex_);
    if (!isIdle_ || !inbox_.empty() || ending_ != Ending::no) return false;
    OpenFile* file = openFileOf(request);
    if (file == nullptr || !isFast(*file, request)) return false;
    const std::unique_ptr<Flight> flight = prepare(*file, request);
    runToEnd(*flight, engine_->retries);
    settle(*flight);
    if (flight->failure != 0) return false;
    raise(counters_.inlined);
    raise(counters_.completions);
    if (request.op != Op::sync || !file->direct || !file->zeroFill.isDue()) return true;
  }
  Request lay;
  lay.op = Op::zeroFillAhead;
  lay.file = request.file;
  submit(std::move(lay));
  return true;
}

bool Disk::isFast(const OpenFile& file, const Request& request) const {
  if (request.op == Op::write) {
    const bool isSmall = request.length > 0 && request.length <= RecentLatency::inlineBytesMax;
    return isSmall && latency_.isFast(Transfer::Kind::write, goesDirect(file, request));
  }
  if (request.op != Op::sync || file.syncFailure != 0) return false;
  return file.unsyncedBytes <= RecentLatency::inlineBytesMax && latency_.isFast(Transfer::Kind::sync, false);
}

void Disk::addArena(std::uint8_t* data, std::size_t length) {
  {
    const std::lock_guard lock(mutex_);
    newArenas_.emplace_back(data, length);
  }
  engine_->wake();
}

void Disk::takeCompletions(std::vector<Completion>& completions) {
  const std::lock_guard lock(mutex_);
  completions.swap(outbox_);
  outbox_.clear();
  announced_ = false;
}

void Disk::drain() {
  {
    const std::lock_guard lock(mutex_);
    if (ending_ == Ending::no) ending_ = Ending::drain;
  }
  engine_->wake();
}

void Disk::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ending_ = Ending::stop;
  }
  engine_->wake();
  thread_.join();
  engine_ = nullptr;
}

Choice Disk::choice() const {
  const std::lock_guard lock(mutex_);
  return choice_;
}

void Disk::run() {
  std::vector<Request> requests;
  std::vector<Transfer*> finished;
  std::vector<std::pair<std::uint8_t*, std::size_t>> arenas;
  AdaptiveSpin spinner;
  while (true) {
    if (inFlight_ == 0) {
      {
        const std::lock_guard lock(mutex_);
        isIdle_ = true;
      }
      spinner.spin(arrived_);
    }
    // The flag goes down before the inbox is looked into, so that nothing in it goes unnoticed.
    arrived_.store(false, std::memory_order_relaxed);
    bool wait = false;
    Ending ending = Ending::no;
    {
      const std::lock_guard lock(mutex_);
      ending = ending_;
      requests.swap(inbox_);
      arenas.swap(newArenas_);
      wait = requests.empty() && (ending == Ending::no || inFlight_ > 0);
      asleep_ = wait;
      isIdle_ = wait && inFlight_ == 0;
    }
    for (const auto& [data, length] : arenas) {
      raise(counters_.registeredBytes, engine_->registerBuffer(data, length));
      arenas_.emplace_back(data, length);
    }
    arenas.clear();
    if (ending == Ending::stop) requests.clear();
    for (Request& request : requests) begin(std::move(request));
    requests.clear();
    publish();
    if (ending != Ending::no && inFlight_ == 0) break;
    if (wait && inFlight_ == 0) spinner.park([&] { engine_->reap(finished, wait); });
    else engine_->reap(finished, wait);
    noticeEngine();
    for (Transfer* transfer : finished) {
      std::unique_ptr<Flight> flight(static_cast<Flight*>(transfer));
      OpenFile& file = *flight->file;
      const bool isSynced = flight->kind == Transfer::Kind::sync && flight->failure == 0;
      finish(std::move(flight));
      if (isSynced && ending == Ending::no) zeroFillAhead(file);
      if (ending != Ending::stop) beginWaiting(file);
    }
    finished.clear();
    publish();
  }
  for (const std::unique_ptr<OpenFile>& file : files_) {
    if (file != nullptr) forget(*file);
  }
  files_.clear();
  directory_.unlock();
  drained_.store(true, std::memory_order_release);
  onCompletions_();
}


void Disk::begin(Request request) {
  if (request.op != Op::lock && !directory_.isLocked()) return fail(request, "", ENOLCK);
  if (usesNames(request.op) && !directory_.isIntact()) return fail(request, "", ESTALE);
  switch (request.op) {
    case Op::lock: return lock(request);
    case Op::list: {
      Completion completion;
      completion.slot = request.slot;
      completion.isList = true;
      if (const int failure = directory_.list(completion.files); failure != 0) {
        return fail(request, "", failure);
      }
      return complete(std::move(completion));
    }
    case Op::open: return openFile(request);
    case Op::rename: return conclude(request, directory_.rename(request.name, request.newName));
    case Op::unlink: return conclude(request, directory_.unlink(request.name));
    case Op::syncDirectory: return conclude(request, directory_.sync());
    case Op::zeroFillAhead:
      if (OpenFile* file = openFileOf(request)) zeroFillAhead(*file);
      return;
    case Op::seekData:
    case Op::allocate:
    case Op::write:
    case Op::read:
    case Op::sync:
    case Op::close: return beginOnFile(std::move(request));
  }
}

namespace {

// What the system says to a path that can be no directory of ours, as impl/runtime/disk-error.ts has it.
bool isNoPathOfOurs(int failure) {
  switch (failure) {
    case ENOENT:
    case EEXIST:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EACCES:
    case EPERM:
    case EROFS: return true;
    default: return false;
  }
}

}  // namespace

void Disk::lock(const Request& request) {
  std::string holder;
  const int failure = directory_.lock(holder);
  const bool isUnusable = isNoPathOfOurs(failure);
  if (failure != EWOULDBLOCK && !isUnusable) return conclude(request, failure);
  raise(counters_.failures);
  Completion completion;
  completion.slot = request.slot;
  completion.error = isUnusable ? DiskError::unusable : DiskError::locked;
  completion.detail = isUnusable ? describeFailure(directory_.path(), failure) : directory_.path() + " is locked by " + holder;
  complete(std::move(completion));
}

void Disk::openFile(const Request& request) {
  auto file = std::make_unique<OpenFile>();
  const int flags = request.create ? O_CREAT | O_EXCL : 0;
  int failure = directory_.openFile(request.name, flags, file->buffered);
  struct stat status {};
  if (failure == 0 && ::fstat(file->buffered.get(), &status) != 0) failure = errno;
  if (failure != 0) return fail(request, "", failure);
  if (choice_.direct) directory_.openFile(request.name, O_DIRECT, file->direct);  // else it is buffered
  if (request.create) file->zeroFill.created();
  engine_->fileOpened(file->buffered.get());
  if (file->direct) engine_->fileOpened(file->direct.get());
  file->name = request.name;
  files_.push_back(std::move(file));
  Completion completion;
  completion.slot = request.slot;
  completion.file = static_cast<FileHandle>(files_.size());
  completion.length = static_cast<std::uint64_t>(status.st_size);
  complete(std::move(completion));
}

void Disk::forget(const OpenFile& file) {
  engine_->fileClosing(file.buffered.get());
  if (file.direct) engine_->fileClosing(file.direct.get());
}

void Disk::beginOnFile(Request request) {
  OpenFile* file = openFileOf(request);
  if (file == nullptr) return fail(request, "file " + std::to_string(request.file), EBADF);
  file->waiting.push_back(std::move(request));
  beginWaiting(*file);
}

Disk::OpenFile* Disk::openFileOf(const Request& request) const {
  return request.file >= 1 && request.file <= files_.size() ? files_[request.file - 1].get() : nullptr;
}

// Requests on one file begin in the order in which they came.
void Disk::beginWaiting(OpenFile& file) {
  while (!file.waiting.empty() && mayBegin(file, file.waiting.front())) {
    const Request request = std::move(file.waiting.front());
    file.waiting.pop_front();
    if (request.op == Op::close) {
      for (const Request& late : file.waiting) fail(late, file.name, EBADF);
      forget(file);
      conclude(request, 0);
      files_[request.file - 1] = nullptr;
      return;
    }
    if (request.op == Op::allocate) {
      const int failure = allocateFile(file.buffered.get(), request.offset);
      if (failure == 0) file.zeroFill.preallocated(request.offset);
      conclude(request, failure, file.name);
    } else if (request.op == Op::seekData) {
      Completion completion;
      completion.slot = request.slot;
      completion.length = dataFrom(file.buffered.get(), request.offset);
      complete(std::move(completion));
    } else if (request.op == Op::sync && file.syncFailure != 0) {
      fail(request, file.name, file.syncFailure);
    } else {
      beginTransfer(file, request);
    }
  }
}

// A close waits for all that uses the file. A sync waits for the writes before it, so that it covers them. Buffered and
// direct writes of one file keep out of each other's way: the kernel throws cached pages away after a direct write, and
// reports an I/O error if one of them is dirty again.
bool Disk::mayBegin(const OpenFile& file, const Request& request) const {
  if (request.op == Op::close) return file.isIdle();
  if (request.op == Op::sync) return file.directWrites == 0 && file.bufferedWrites == 0;
  if (request.op != Op::write) return true;
  if (!goesDirect(file, request)) return file.directWrites == 0 && file.zeroFilling.length == 0;
  return file.bufferedWrites == 0 && !file.zeroFilling.meets(request.offset, request.length);
}

bool Disk::goesDirect(const OpenFile& file, const Request& request) const {
  if (request.op == Op::read && !isInArena(request)) return false;
  return file.direct && isDirectAligned(request.data, request.length, request.offset);
}

bool Disk::isInArena(const Request& request) const {
  return std::any_of(arenas_.begin(), arenas_.end(), [&](const auto& memory) {
    return request.data >= memory.first && request.data + request.length <= memory.first + memory.second;
  });
}

void Disk::beginTransfer(OpenFile& file, const Request& request) {
  if (request.op != Op::sync && request.length == 0) return conclude(request, 0);
  start(prepare(file, request));
}

std::unique_ptr<Disk::Flight> Disk::prepare(OpenFile& file, const Request& request) {
  std::unique_ptr<Flight> flight = std::make_unique<Flight>();
  flight->isDirect = request.op != Op::sync && goesDirect(file, request);
  flight->kind = kindOf(request.op);
  flight->fd = flight->isDirect ? file.direct.get() : file.buffered.get();
  flight->data = request.data;
  flight->length = request.length;
  flight->offset = request.offset;
  flight->request = request;
  flight->file = &file;
  flight->begun = RecentLatency::Clock::now();
  switch (flight->kind) {
    case Transfer::Kind::write:
      file.zeroFill.writing(request.offset, request.length);
      file.unsyncedBytes += request.length;
      (flight->isDirect ? file.directWrites : file.bufferedWrites)++;
      raise(flight->isDirect ? counters_.directWrites : counters_.bufferedWrites);
      break;
    case Transfer::Kind::read:
      file.readsAndSyncs++;
      raise(counters_.reads);
      break;
    case Transfer::Kind::sync:
      file.readsAndSyncs++;
      // A write from now on is not covered.
      file.unsyncedBytes = 0;
      raise(counters_.syncs);
      break;
  }
  return flight;
}

// Zeros ahead of what is written. Should they fail, then nothing was promised, and the bytes are zeros as they were.
void Disk::zeroFillAhead(OpenFile& file) {
  if (!file.direct || file.bufferedWrites > 0 || file.zeroFilling.length > 0) return;
  const ZeroFill::Range range = file.zeroFill.next();
  if (range.length == 0) return;
  std::unique_ptr<Flight> flight = std::make_unique<Flight>();
  flight->isDirect = true;
  flight->isZeroFill = true;
  flight->kind = Transfer::Kind::write;
  flight->fd = file.direct.get();
  flight->data = zeros_->data();
  flight->length = range.length;
  flight->offset = range.offset;
  flight->file = &file;
  file.zeroFilling = range;
  start(std::move(flight));
}

void Disk::start(std::unique_ptr<Flight> flight) {
  inFlight_++;
  if (inFlight_ > counters_.inFlightMax.load(std::memory_order_relaxed)) {
    counters_.inFlightMax.store(inFlight_, std::memory_order_relaxed);
  }
  engine_->start(*flight.release());
}

void Disk::finish(std::unique_ptr<Flight> flight) {
  inFlight_--;
  settle(*flight);
  if (flight->isZeroFill) return;
  if (flight->failure != 0) return fail(flight->request, flight->file->name, flight->failure);
  Completion completion;
  completion.slot = flight->request.slot;
  if (flight->kind == Transfer::Kind::read) completion.length = flight->done;
  complete(std::move(completion));
}

// The books, when it is under way no more.
void Disk::settle(const Flight& flight) {
  OpenFile& file = *flight.file;
  if (flight.isZeroFill) {
    file.zeroFilling = {};
    raise(counters_.bytesZeroFilled, flight.done);
    return;
  }
  latency_.record(flight, RecentLatency::Clock::now() - flight.begun);
  switch (flight.kind) {
    case Transfer::Kind::write:
      (flight.isDirect ? file.directWrites : file.bufferedWrites)--;
      raise(counters_.bytesWritten, flight.done);
      break;
    case Transfer::Kind::read:
      file.readsAndSyncs--;
      raise(counters_.bytesRead, flight.done);
      break;
    case Transfer::Kind::sync:
      file.readsAndSyncs--;
      if (flight.failure != 0) file.syncFailure = flight.failure;
      break;
  }
}

void Disk::conclude(const Request& request, int failure, const std::string& fileName) {
  if (failure != 0) return fail(request, fileName, failure);
  Completion completion;
  completion.slot = request.slot;
  complete(std::move(completion));
}

void Disk::fail(const Request& request, const std::string& fileName, int failure) {
  raise(counters_.failures);
  Completion completion;
  completion.slot = request.slot;
  completion.error = errorOf(request.op, failure);
  completion.detail = describeFailure(operationOf(request, fileName), failure);
  complete(std::move(completion));
}

// The kernel may permit a ring and refuse it later. Told once.
void Disk::noticeEngine() {
  if (engine_->failure() == 0 || choice_.engine == Engine::pwrite) return;
  Completion notice;
  notice.slot = engineChangedSlot;
  notice.detail = describeFailure("io_uring is refused in mid-course", engine_->failure());
  {
    const std::lock_guard lock(mutex_);
    choice_.engine = Engine::pwrite;
    choice_.engineReason = notice.detail;
  }
  complete(std::move(notice));
}

void Disk::complete(Completion completion) { ready_.push_back(std::move(completion)); }

// Hands over what is ready. The owner is told once, however much becomes ready until it looks.
void Disk::publish() {
  if (ready_.empty()) return;
  counters_.shortTransfers.store(engine_->retries.shortTransfers, std::memory_order_relaxed);
  counters_.interruptions.store(engine_->retries.interruptions, std::memory_order_relaxed);
  raise(counters_.completions, ready_.size());
  bool tell = false;
  {
    const std::lock_guard lock(mutex_);
    for (Completion& completion : ready_) outbox_.push_back(std::move(completion));
    tell = !std::exchange(announced_, true);
  }
  ready_.clear();
  if (!tell) return;
  raise(counters_.deliveries);
  onCompletions_();
}

}  // namespace walrus
