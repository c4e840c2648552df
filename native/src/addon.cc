// Where C++ meets Node, and the only file that knows of it: takes requests from JavaScript to the disk and completions
// back, and keeps memory alive while the disk uses it.
//
// One instance of the addon for each environment (the main thread, each worker); nothing is shared between them.
// A disk is stopped by its environment's cleanup hook at the latest, which returns only when
// the kernel has let go of all memory that JavaScript pinned for it.
//
// An environment may be terminated at any moment, also while the addon loads. From then on each call of Node-API may fail, with or without
// an exception pending. So every status is looked at, what cannot be done is left, and no C++ exception crosses into Node.
#include <node_api.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string>

#include "checksum.h"
#include "disk.h"

namespace {

using walrus::Completion;
using walrus::DiskError;
using walrus::Op;
using walrus::Request;

// One completion in the array that is shared with index.ts: slot, error, file, length.
constexpr std::size_t completionFields = 4;

struct Bytes {
  std::uint8_t* data = nullptr;
  std::size_t length = 0;
};

// Calls of Node-API one after the other, as far as they succeed: after the first that fails none does anything, and what they return
// is empty.
class Calls {
 public:
  explicit Calls(napi_env env) : env_(env) {}

  bool ok() const { return status_ == napi_ok; }
  napi_env env() const { return env_; }

  void check(napi_status status) {
    if (ok()) status_ = status;
  }

  double number(napi_value value) {
    double number = 0;
    if (ok()) check(napi_get_value_double(env_, value, &number));
    return ok() ? number : 0;
  }

  bool boolean(napi_value value) {
    bool boolean = false;
    if (ok()) check(napi_get_value_bool(env_, value, &boolean));
    return ok() && boolean;
  }

  std::string string(napi_value value) {
    std::size_t length = 0;
    if (ok()) check(napi_get_value_string_utf8(env_, value, nullptr, 0, &length));
    if (!ok()) return {};
    std::string text(length, '\0');
    check(napi_get_value_string_utf8(env_, value, text.data(), length + 1, &length));
    return text;
  }

  Bytes bytes(napi_value value, napi_typedarray_type expected = napi_uint8_array) {
    napi_typedarray_type type = expected;
    std::size_t length = 0;
    void* data = nullptr;
    if (ok()) check(napi_get_typedarray_info(env_, value, &type, &length, &data, nullptr, nullptr));
    if (ok() && type != expected) status_ = napi_invalid_arg;
    return ok() ? Bytes{static_cast<std::uint8_t*>(data), length} : Bytes{};
  }

  napi_value get(napi_value object, const char* name) {
    napi_value value = nullptr;
    if (ok()) check(napi_get_named_property(env_, object, name, &value));
    return value;
  }

  void set(napi_value object, const char* name, napi_value value) {
    if (ok()) check(napi_set_named_property(env_, object, name, value));
  }

  void set(napi_value array, std::uint32_t index, napi_value value) {
    if (ok()) check(napi_set_element(env_, array, index, value));
  }

  napi_value make(double value) {
    napi_value made = nullptr;
    if (ok()) check(napi_create_double(env_, value, &made));
    return made;
  }

  napi_value make(bool value) {
    napi_value made = nullptr;
    if (ok()) check(napi_get_boolean(env_, value, &made));
    return made;
  }

  napi_value make(const std::string& value) {
    napi_value made = nullptr;
    if (ok()) check(napi_create_string_utf8(env_, value.data(), value.size(), &made));
    return made;
  }

  napi_value makeObject() {
    napi_value made = nullptr;
    if (ok()) check(napi_create_object(env_, &made));
    return made;
  }

  napi_value makeArray() {
    napi_value made = nullptr;
    if (ok()) check(napi_create_array(env_, &made));
    return made;
  }

  napi_value undefined() {
    napi_value made = nullptr;
    if (ok()) check(napi_get_undefined(env_, &made));
    return made;
  }

  // Strong: what it refers to stays until it is released.
  napi_ref pin(napi_value value) {
    napi_ref reference = nullptr;
    if (ok()) check(napi_create_reference(env_, value, 1, &reference));
    return reference;
  }

  // Calls a function as the event loop does. What it throws is an uncaught exception, as out of a timer.
  void callBack(napi_ref function, std::initializer_list<napi_value> arguments) {
    napi_value callee = nullptr;
    napi_value receiver = undefined();
    if (ok()) check(napi_get_reference_value(env_, function, &callee));
    if (!ok()) return;
    check(napi_call_function(env_, receiver, callee, arguments.size(), std::data(arguments), nullptr));
    if (status_ != napi_pending_exception) return;
    napi_value exception = nullptr;
    if (napi_get_and_clear_last_exception(env_, &exception) != napi_ok) return;
    // Of an environment that is being terminated this is refused, and nobody is left to hear of it.
    if (napi_fatal_exception(env_, exception) == napi_ok) status_ = napi_ok;
  }

  // Tells JavaScript of a call that could not be carried out, if nothing tells it already.
  void throwError(const char* message) {
    bool isPending = false;
    if (napi_is_exception_pending(env_, &isPending) != napi_ok || isPending) return;
    // Refused if the environment is being terminated: then nobody is there to catch it.
    static_cast<void>(napi_throw_error(env_, nullptr, message));
  }

 private:
  napi_env env_;
  napi_status status_ = napi_ok;
};

// The arguments of a call from JavaScript, undefined where there are none.
class Arguments {
 public:
  static constexpr std::size_t countMax = 6;

  Arguments(Calls& calls, napi_callback_info info) {
    std::size_t count = countMax;
    calls.check(napi_get_cb_info(calls.env(), info, &count, values_, &self_, nullptr));
  }

  napi_value operator[](std::size_t i) const { return values_[i]; }
  napi_value self() const { return self_; }

 private:
  napi_value values_[countMax] = {};
  napi_value self_ = nullptr;
};

// A function for JavaScript: what `body` throws, and what it could not get from Node, is an exception over there.
template <napi_value (*body)(Calls&, const Arguments&)>
napi_value entry(napi_env env, napi_callback_info info) noexcept {
  Calls calls(env);
  try {
    const Arguments arguments(calls, info);
    const napi_value result = calls.ok() ? body(calls, arguments) : nullptr;
    if (!calls.ok()) calls.throwError("the native disk was called with what it does not take");
    return calls.ok() ? result : nullptr;
  } catch (const std::exception& failure) {
    calls.throwError(failure.what());
  }
  return nullptr;
}

// A disk and its place in an environment. Belongs to two: the object of JavaScript, and the function that the disk's thread calls; the
// later of the two to go deletes it.
class DiskHandle {
 public:
  // ({directory, engine, direct, inline, syncsEach, ringForbidden}, completions: Float64Array, pinned: unknown[],
  //  onCompletions: (count, extras) => void, onClosed: () => void)
  static napi_value construct(Calls& calls, const Arguments& arguments) {
    std::unique_ptr<DiskHandle> handle(new DiskHandle());
    handle->open(calls, arguments);
    if (calls.ok()) calls.check(napi_wrap(calls.env(), arguments.self(), handle.get(), objectGone, nullptr, nullptr));
    if (!calls.ok()) {
      handle->abandon(calls.env());
      // The notifier still knows it, if there is one.
      if (handle->notifier_ != nullptr) handle.release();
      return nullptr;
    }
    handle->owners_++;
    handle.release();
    return arguments.self();
  }

  // (op, slot, file, offset, bytes | name, new name) => whether it is done already, and no completion will come
  static napi_value submit(Calls& calls, const Arguments& arguments) {
    DiskHandle* handle = of(calls, arguments);
    Request request;
    request.op = static_cast<Op>(calls.number(arguments[0]));
    request.slot = static_cast<std::uint32_t>(calls.number(arguments[1]));
    request.file = static_cast<walrus::FileHandle>(calls.number(arguments[2]));
    request.offset = static_cast<std::uint64_t>(calls.number(arguments[3]));
    switch (request.op) {
      case Op::write:
      case Op::read: {
        const Bytes bytes = calls.bytes(arguments[4]);
        request.data = bytes.data;
        request.length = bytes.length;
        break;
      }
      case Op::open:
        request.create = request.offset != 0;
        request.name = calls.string(arguments[4]);
        break;
      case Op::rename:
        request.name = calls.string(arguments[4]);
        request.newName = calls.string(arguments[5]);
        break;
      case Op::unlink: request.name = calls.string(arguments[4]); break;
      default: break;
    }
    if (!calls.ok()) return nullptr;
    const bool mayBeInline = handle->inline_ && (request.op == Op::write || request.op == Op::sync);
    if (mayBeInline && handle->disk_->tryInline(request)) return calls.make(true);
    // While something is under way, it keeps the process alive.
    if (handle->underWay_ == 0) calls.check(napi_ref_threadsafe_function(calls.env(), handle->notifier_));
    if (!calls.ok()) return nullptr;
    handle->underWay_++;
    handle->disk_->submit(std::move(request));
    return calls.make(false);
  }

  // (memory): the caller keeps it in `pinned` from now on.
  static napi_value addArena(Calls& calls, const Arguments& arguments) {
    DiskHandle* handle = of(calls, arguments);
    const Bytes memory = calls.bytes(arguments[0]);
    if (calls.ok()) handle->disk_->addArena(memory.data, memory.length);
    return nullptr;
  }

  // Once all that was submitted has completed and been delivered, `onClosed` is called.
  static napi_value close(Calls& calls, const Arguments& arguments) {
    DiskHandle* handle = of(calls, arguments);
    if (!calls.ok()) return nullptr;
    handle->closing_ = true;
    calls.check(napi_ref_threadsafe_function(calls.env(), handle->notifier_));
    handle->disk_->drain();
    return nullptr;
  }

  static napi_value stats(Calls& calls, const Arguments& arguments) {
    const DiskHandle* handle = of(calls, arguments);
    if (!calls.ok()) return nullptr;
    const walrus::Choice choice = handle->disk_->choice();
    const walrus::Counters& counters = handle->disk_->counters();
    const napi_value stats = calls.makeObject();
    const auto set = [&](const char* name, auto value) { calls.set(stats, name, calls.make(value)); };
    const auto count = [&](const char* name, const std::atomic<std::uint64_t>& counter) {
      set(name, static_cast<double>(counter.load(std::memory_order_relaxed)));
    };
    set("engine", std::string(choice.engine == walrus::Engine::ioUring ? "io_uring" : "pwrite"));
    set("engineReason", choice.engineReason);
    set("direct", choice.direct);
    set("directReason", choice.directReason);
    set("checksum", std::string(walrus::crc32cIsHardware() ? "hardware" : "table"));
    count("directWrites", counters.directWrites);
    count("bufferedWrites", counters.bufferedWrites);
    count("writtenBytes", counters.bytesWritten);
    count("zeroFilledBytes", counters.bytesZeroFilled);
    count("reads", counters.reads);
    count("readBytes", counters.bytesRead);
    count("syncs", counters.syncs);
    count("inlined", counters.inlined);
    count("failures", counters.failures);
    count("completions", counters.completions);
    count("deliveries", counters.deliveries);
    count("inFlightMax", counters.inFlightMax);
    count("shortTransfers", counters.shortTransfers);
    count("interruptions", counters.interruptions);
    count("registeredBytes", counters.registeredBytes);
    return stats;
  }

 private:
  static DiskHandle* of(Calls& calls, const Arguments& arguments) {
    void* handle = nullptr;
    calls.check(napi_unwrap(calls.env(), arguments.self(), &handle));
    return static_cast<DiskHandle*>(handle);
  }

  // The disk opens last, so that whatever fails before leaves no thread behind.
  void open(Calls& calls, const Arguments& arguments) {
    const Bytes completions = calls.bytes(arguments[1], napi_float64_array);
    records_ = reinterpret_cast<double*>(completions.data);
    completionsPerCall_ = completions.length / completionFields;
    walrus::Options options;
    const napi_value given = arguments[0];
    options.directory = calls.string(calls.get(given, "directory"));
    options.engine = static_cast<walrus::Engine>(calls.number(calls.get(given, "engine")));
    options.direct = static_cast<walrus::Direct>(calls.number(calls.get(given, "direct")));
    inline_ = calls.boolean(calls.get(given, "inline"));
    options.syncsEach = calls.boolean(calls.get(given, "syncsEach"));
    options.ringForbidden = calls.string(calls.get(given, "ringForbidden"));
    completionsReference_ = calls.pin(arguments[1]);
    pinnedReference_ = calls.pin(arguments[2]);
    onCompletions_ = calls.pin(arguments[3]);
    onClosed_ = calls.pin(arguments[4]);
    const napi_value name = calls.make(std::string("walrus disk"));
    if (!calls.ok()) return;
    const napi_env env = calls.env();
    calls.check(napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, this, notifierGone, this, deliver, &notifier_));
    if (!calls.ok()) return;
    owners_++;
    calls.check(napi_unref_threadsafe_function(env, notifier_));
    options.onCompletions = [this] {
      // Refused if the environment is closing, and nobody waits for it any more.
      static_cast<void>(napi_call_threadsafe_function(notifier_, nullptr, napi_tsfn_nonblocking));
    };
    try {
      disk_ = std::make_unique<walrus::Disk>(std::move(options));
    } catch (const std::exception& failure) {
      calls.throwError(failure.what());
      calls.check(napi_pending_exception);
      return;
    }
    // Later than the notifier, so that it runs before that one is torn down.
    calls.check(napi_add_env_cleanup_hook(env, stopAtExit, this));
  }

  // Of a disk that did not come to be.
  void abandon(napi_env env) {
    if (disk_ != nullptr) {
      static_cast<void>(napi_remove_env_cleanup_hook(env, stopAtExit, this));
      disk_->stop();
    }
    release(env);
  }

  void release(napi_env env) {
    if (notifier_ != nullptr && !isReleased_) {
      isReleased_ = true;
      static_cast<void>(napi_release_threadsafe_function(notifier_, napi_tsfn_release));
    }
    // The callbacks know the object that has this one: without this neither would ever be collected.
    for (napi_ref* reference : {&completionsReference_, &pinnedReference_, &onCompletions_, &onClosed_}) {
      if (*reference != nullptr) static_cast<void>(napi_delete_reference(env, *reference));
      *reference = nullptr;
    }
  }

  static void stopAtExit(void* handle) { static_cast<DiskHandle*>(handle)->disk_->stop(); }

  static void objectGone(napi_env env, void* handle, void*) { static_cast<DiskHandle*>(handle)->lostOwner(env); }

  static void notifierGone(napi_env env, void* handle, void*) { static_cast<DiskHandle*>(handle)->lostOwner(env); }

  void lostOwner(napi_env env) {
    if (--owners_ > 0) return;
    isReleased_ = true;
    release(env);
    delete this;
  }

  // In the event loop. Without an environment there is nobody to tell.
  static void deliver(napi_env env, napi_value, void* context, void*) noexcept {
    if (env == nullptr) return;
    Calls calls(env);
    static_cast<DiskHandle*>(context)->deliverHere(calls);
  }

  void deliverHere(Calls& calls) {
    const bool last = disk_->isDrained();
    disk_->takeCompletions(taken_);
    for (std::size_t from = 0; from < taken_.size() && calls.ok(); from += completionsPerCall_) {
      tell(calls, from, std::min(completionsPerCall_, taken_.size() - from));
    }
    taken_.clear();
    if (last && !closed_ && calls.ok()) closed(calls);
  }

  void tell(Calls& calls, std::size_t from, std::size_t count) {
    // What does not fit into numbers, in the order of the records that have it.
    napi_value extras = calls.undefined();
    std::uint32_t extrasCount = 0;
    const auto extra = [&](napi_value value) {
      if (extrasCount == 0) extras = calls.makeArray();
      calls.set(extras, extrasCount++, value);
    };
    double* record = records_;
    for (std::size_t i = from; i < from + count; i++, record += completionFields) {
      const Completion& completion = taken_[i];
      record[0] = completion.slot;
      record[1] = static_cast<double>(completion.error);
      record[2] = completion.file;
      record[3] = static_cast<double>(completion.length);
      if (completion.slot == walrus::engineChangedSlot) underWay_++;  // nobody asked for it
      if (!completion.detail.empty()) extra(calls.make(completion.detail));
      else if (completion.isList) extra(filesOf(calls, completion));
    }
    underWay_ -= count;
    if (underWay_ == 0 && !closing_) calls.check(napi_unref_threadsafe_function(calls.env(), notifier_));
    calls.callBack(onCompletions_, {calls.make(static_cast<double>(count)), extras});
  }

  static napi_value filesOf(Calls& calls, const Completion& completion) {
    const napi_value files = calls.makeArray();
    std::uint32_t at = 0;
    for (const walrus::FileEntry& entry : completion.files) {
      calls.set(files, at++, calls.make(entry.name));
      calls.set(files, at++, calls.make(static_cast<double>(entry.sizeBytes)));
    }
    return files;
  }

  void closed(Calls& calls) {
    closed_ = true;
    disk_->stop();
    calls.check(napi_remove_env_cleanup_hook(calls.env(), stopAtExit, this));
    calls.callBack(onClosed_, {});
    release(calls.env());
  }

  DiskHandle() = default;

  std::unique_ptr<walrus::Disk> disk_;
  napi_threadsafe_function notifier_ = nullptr;
  int owners_ = 0;
  double* records_ = nullptr;
  std::size_t completionsPerCall_ = 0;
  std::size_t underWay_ = 0;
  bool inline_ = false;
  bool closing_ = false;
  bool closed_ = false;
  bool isReleased_ = false;
  std::vector<Completion> taken_;
  napi_ref completionsReference_ = nullptr;
  napi_ref pinnedReference_ = nullptr;
  napi_ref onCompletions_ = nullptr;
  napi_ref onClosed_ = nullptr;
};

// (bytes, from, to, seed) => crc
napi_value checksum(Calls& calls, const Arguments& arguments) {
  const Bytes bytes = calls.bytes(arguments[0]);
  const double from = calls.number(arguments[1]);
  const double to = calls.number(arguments[2]);
  const auto seed = static_cast<std::uint32_t>(calls.number(arguments[3]));
  if (!calls.ok()) return nullptr;
  if (!(from >= 0 && from <= to && to <= static_cast<double>(bytes.length))) {
    static_cast<void>(napi_throw_range_error(calls.env(), nullptr, "checksum: [from, to) is not inside of the bytes"));
    return nullptr;
  }
  const auto begin = static_cast<std::size_t>(from);
  const auto length = static_cast<std::size_t>(to) - begin;
  return calls.make(static_cast<double>(walrus::crc32c(bytes.data + begin, length, seed)));
}

// (bytes, from, table, tableEnd): fills the checksums of parts that lie one behind the other into a table that says where they end
napi_value fillTable(Calls& calls, const Arguments& arguments) {
  const Bytes bytes = calls.bytes(arguments[0]);
  const double from = calls.number(arguments[1]);
  const double table = calls.number(arguments[2]);
  const double tableEnd = calls.number(arguments[3]);
  if (!calls.ok()) return nullptr;
  const bool isInside = from >= 0 && from <= table && table <= tableEnd && tableEnd <= static_cast<double>(bytes.length);
  const bool isFilled = isInside && walrus::fillTable(bytes.data, static_cast<std::size_t>(from),
                                                          static_cast<std::size_t>(table), static_cast<std::size_t>(tableEnd));
  if (!isFilled) {
    static_cast<void>(napi_throw_range_error(calls.env(), nullptr, "fillTable: the parts do not lie before their table"));
  }
  return nullptr;
}

// (bytes) => how far their address is from the next multiple of the direct alignment
napi_value bytesToAlignment(Calls& calls, const Arguments& arguments) {
  const auto address = reinterpret_cast<std::uintptr_t>(calls.bytes(arguments[0]).data);
  return calls.make(static_cast<double>(-address % walrus::directAlignment));
}

template <napi_value (*body)(Calls&, const Arguments&)>
napi_property_descriptor method(const char* name) {
  napi_property_descriptor descriptor{};
  descriptor.utf8name = name;
  descriptor.method = entry<body>;
  descriptor.attributes = napi_enumerable;
  return descriptor;
}

}  // namespace

NAPI_MODULE_INIT() {
  Calls calls(env);
  const napi_property_descriptor methods[] = {method<DiskHandle::submit>("submit"), method<DiskHandle::addArena>("addArena"),
                                              method<DiskHandle::close>("close"), method<DiskHandle::stats>("stats")};
  napi_value disk = nullptr;
  calls.check(napi_define_class(env, "Disk", NAPI_AUTO_LENGTH, entry<DiskHandle::construct>, nullptr, std::size(methods), methods, &disk));
  calls.set(exports, "Disk", disk);
  const napi_property_descriptor functions[] = {method<checksum>("checksum"), method<bytesToAlignment>("bytesToAlignment")};
  if (calls.ok()) calls.check(napi_define_properties(env, exports, std::size(functions), functions));
  const napi_property_descriptor ofChecksum = method<fillTable>("fillTable");
  const napi_value checksumFunction = calls.get(exports, "checksum");
  if (calls.ok()) calls.check(napi_define_properties(env, checksumFunction, 1, &ofChecksum));
  calls.set(exports, "directAlignment", calls.make(static_cast<double>(walrus::directAlignment)));
  return exports;
}
