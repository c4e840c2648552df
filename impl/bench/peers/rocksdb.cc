// Drives RocksDB as the benchmarks drive everything else, and answers with the same JSON. One database, its write-ahead log on, keys of
// thread and index; it also keeps what it is given in a memtable, which a log does not.
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPool = 4096;
constexpr std::uint64_t kLatenciesEvery = 16;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

void check(const rocksdb::Status& status) {
  if (!status.ok()) fail(status.ToString());
}

double secondsSince(Clock::time_point from) {
  return std::chrono::duration<double>(Clock::now() - from).count();
}

double cpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return t.tv_sec + t.tv_usec / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Payloads {
 public:
  explicit Payloads(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
    if (bytes_.size() < kPool * 4) fail("no pool of payloads");
    std::memcpy(lengths_.data(), bytes_.data(), kPool * 4);
    std::size_t at = kPool * 4;
    for (int i = 0; i < kPool; i++) {
      offsets_[i] = at;
      at += (lengths_[i] + 7) & ~std::size_t{7};
    }
  }

  std::size_t put(std::uint64_t index, char* into) const {
    const auto slot = index % kPool;
    std::memcpy(into, bytes_.data() + offsets_[slot], lengths_[slot]);
    const double stamp = static_cast<double>(index);
    std::memcpy(into, &stamp, 8);
    return lengths_[slot];
  }

  void compare(std::uint64_t index, const rocksdb::Slice& data) const {
    std::array<char, 1024> expected;
    if (data == rocksdb::Slice(expected.data(), put(index, expected.data()))) return;
    fail("record " + std::to_string(index) + " came back as other bytes than were written");
  }

 private:
  std::string bytes_;
  std::array<std::uint32_t, kPool> lengths_{};
  std::array<std::size_t, kPool> offsets_{};
};

std::array<char, 12> keyOf(std::uint32_t thread, std::uint64_t index) {
  std::array<char, 12> key;
  const auto bigThread = __builtin_bswap32(thread);
  const auto bigIndex = __builtin_bswap64(index);
  std::memcpy(key.data(), &bigThread, 4);
  std::memcpy(key.data() + 4, &bigIndex, 8);
  return key;
}

rocksdb::Slice sliceOf(const std::array<char, 12>& key) { return {key.data(), key.size()}; }

std::string quantiles(std::vector<double> latencies) {
  if (latencies.empty()) return "null";
  std::sort(latencies.begin(), latencies.end());
  const auto at = [&](double share) {
    const auto i = static_cast<std::size_t>(static_cast<double>(latencies.size()) * share);
    return std::to_string(latencies[std::min(i, latencies.size() - 1)]);
  };
  return "{\"p50\":" + at(0.5) + ",\"p99\":" + at(0.99) + ",\"p999\":" + at(0.999) + "}";
}

struct Arguments {
  std::map<std::string, std::string> values;
  const std::string& text(const std::string& name) const {
    const auto found = values.find(name);
    if (found == values.end()) fail("--" + name + " is needed");
    return found->second;
  }
  double number(const std::string& name) const { return std::stod(text(name)); }
};

std::unique_ptr<rocksdb::DB> open(const Arguments& arguments) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = 256 << 20;
  options.max_background_jobs = 2;
  rocksdb::DB* db = nullptr;
  check(rocksdb::DB::Open(options, arguments.text("directory") + "/rocksdb", &db));
  return std::unique_ptr<rocksdb::DB>(db);
}

struct Written {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  std::vector<double> latencies;
};

Written writeFor(rocksdb::DB& db, const Payloads& payloads, std::uint32_t thread,
                 std::uint64_t batch, bool sync, double seconds, std::uint64_t maxBytes) {
  rocksdb::WriteOptions options;
  options.sync = sync;
  const auto every = sync || batch > 1 ? 1 : kLatenciesEvery;
  const auto begun = Clock::now();
  Written written;
  std::array<char, 1024> buffer;
  for (std::uint64_t calls = 0; written.bytes < maxBytes; calls++) {
    const bool isTimed = calls % every == 0;
    const auto from = isTimed ? Clock::now() : begun;
    if (batch == 1) {
      const auto length = payloads.put(written.count, buffer.data());
      const auto key = keyOf(thread, written.count++);
      check(db.Put(options, sliceOf(key), {buffer.data(), length}));
      written.bytes += length;
    } else {
      rocksdb::WriteBatch puts;
      for (std::uint64_t i = 0; i < batch; i++) {
        const auto length = payloads.put(written.count, buffer.data());
        const auto key = keyOf(thread, written.count++);
        check(puts.Put(sliceOf(key), {buffer.data(), length}));
        written.bytes += length;
      }
      check(db.Write(options, &puts));
    }
    if (!isTimed) continue;
    written.latencies.push_back(secondsSince(from) * 1e3);
    if (secondsSince(begun) > seconds) break;
  }
  return written;
}

void verify(rocksdb::DB& db, const Payloads& payloads, const std::vector<Written>& all) {
  std::unique_ptr<rocksdb::Iterator> entries(db.NewIterator({}));
  entries->SeekToFirst();
  for (std::uint32_t thread = 0; thread < all.size(); thread++) {
    for (std::uint64_t index = 0; index < all[thread].count; index++, entries->Next()) {
      const auto key = keyOf(thread, index);
      if (!entries->Valid() || entries->key() != sliceOf(key)) {
        fail("acknowledged record " + std::to_string(index) + " is not there");
      }
      payloads.compare(index, entries->value());
    }
  }
  if (entries->Valid()) fail("there is more than was written");
}

void append(const Arguments& arguments, const Payloads& payloads) {
  const auto threads = static_cast<std::size_t>(arguments.number("threads"));
  const auto batch = static_cast<std::uint64_t>(arguments.number("batch"));
  const auto maxBytes = static_cast<std::uint64_t>(arguments.number("max-bytes")) / threads;
  const double seconds = arguments.number("seconds");
  const bool sync = arguments.text("schedule") == "each";
  auto db = open(arguments);
  std::vector<Written> all(threads);
  const double cpu = cpuSeconds();
  const auto begun = Clock::now();
  std::atomic<bool> isOver{false};
  std::thread timer;
  if (arguments.text("schedule") == "200ms") {
    timer = std::thread([&] {
      while (!isOver) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        check(db->FlushWAL(true));
      }
    });
  }
  std::vector<std::thread> workers;
  for (std::uint32_t i = 0; i < threads; i++) {
    workers.emplace_back(
        [&, i] { all[i] = writeFor(*db, payloads, i, batch, sync, seconds, maxBytes); });
  }
  for (auto& worker : workers) worker.join();
  const double elapsed = secondsSince(begun);
  const double used = cpuSeconds() - cpu;
  isOver = true;
  if (timer.joinable()) timer.join();
  check(db->Close());
  db.reset();
  db = open(arguments);
  verify(*db, payloads, all);
  Written sum;
  for (const auto& one : all) {
    sum.count += one.count;
    sum.bytes += one.bytes;
    sum.latencies.insert(sum.latencies.end(), one.latencies.begin(), one.latencies.end());
  }
  std::printf(
      "{\"entries\":%lu,\"payloadBytes\":%lu,\"seconds\":%f,\"cpuSeconds\":%f,\"latency\":%s,"
      "\"verified\":%lu}\n",
      sum.count, sum.bytes, elapsed, used, quantiles(sum.latencies).c_str(), sum.count);
}

void sequential(const Arguments& arguments, const Payloads& payloads) {
  auto db = open(arguments);
  std::vector<Written> all(1);
  const auto maxBytes = static_cast<std::uint64_t>(arguments.number("max-bytes"));
  all[0] = writeFor(*db, payloads, 0, 256, false, 1e9, maxBytes);
  check(db->Flush({}));
  verify(*db, payloads, all);
  const double seconds = arguments.number("seconds");
  const double cpu = cpuSeconds();
  const auto begun = Clock::now();
  std::uint64_t passes = 0;
  std::uint64_t seen = 0;
  do {
    std::unique_ptr<rocksdb::Iterator> entries(db->NewIterator({}));
    for (entries->SeekToFirst(); entries->Valid(); entries->Next()) {
      seen += static_cast<unsigned char>(entries->value()[0]) + 1;
    }
    passes++;
  } while (secondsSince(begun) < seconds);
  if (seen == 0) fail("nothing was read");
  std::printf(
      "{\"entries\":%lu,\"payloadBytes\":%lu,\"seconds\":%f,\"cpuSeconds\":%f,\"verified\":%lu}\n",
      passes * all[0].count, passes * all[0].bytes, secondsSince(begun), cpuSeconds() - cpu,
      all[0].count);
}

void fill(const Arguments& arguments, const Payloads& payloads) {
  auto db = open(arguments);
  const auto maxBytes = static_cast<std::uint64_t>(arguments.number("max-bytes"));
  const auto written = writeFor(*db, payloads, 0, 256, false, 1e9, maxBytes);
  std::printf("{\"entries\":%lu,\"payloadBytes\":%lu}\n", written.count, written.bytes);
  std::fflush(stdout);
  if (arguments.text("after") == "kill") kill(getpid(), SIGKILL);
  check(db->Close());
}

void openTimed(const Arguments& arguments, const Payloads& payloads) {
  const double cpu = cpuSeconds();
  const auto begun = Clock::now();
  auto db = open(arguments);
  const double elapsed = secondsSince(begun);
  const double used = cpuSeconds() - cpu;
  std::string first;
  const auto key = keyOf(0, 0);
  check(db->Get({}, sliceOf(key), &first));
  payloads.compare(0, first);
  std::printf(
      "{\"entries\":1,\"payloadBytes\":0,\"seconds\":%f,\"cpuSeconds\":%f,\"latency\":{\"p50\":%f,"
      "\"p99\":%f,\"p999\":%f},\"verified\":1}\n",
      elapsed, used, elapsed * 1e3, elapsed * 1e3, elapsed * 1e3);
  if (arguments.text("after") == "kill") {
    std::fflush(stdout);
    kill(getpid(), SIGKILL);
  }
}

}  // namespace

int main(int count, char** words) {
  Arguments arguments;
  for (int i = 1; i + 1 < count; i += 2) arguments.values[words[i] + 2] = words[i + 1];
  const Payloads payloads(arguments.text("pool"));
  const auto& kind = arguments.text("kind");
  if (kind == "append") append(arguments, payloads);
  else if (kind == "sequential") sequential(arguments, payloads);
  else if (kind == "fill") fill(arguments, payloads);
  else if (kind == "open") openTimed(arguments, payloads);
  else fail("unknown kind " + kind);
}
