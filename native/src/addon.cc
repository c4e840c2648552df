// Where C++ meets Node, and the only file that knows of it: takes requests from JavaScript to the disk and completions
// back, and keeps memory alive while the disk uses it.
//
// One instance of the addon for each environment (the main thread, each worker); nothing is shared between them.
// A disk is stopped by its environment's cleanup hook at the latest, which returns only when
// the kernel has let go of all memory that JavaScript pinned for it.
#include <napi.h>

#include <algorithm>
#include <memory>

#include "checksum.h"
#include "disk.h"

namespace {

using walrus::Completion;
using walrus::DiskError;
using walrus::Op;
using walrus::Request;

// One completion in the array that is shared with index.ts: slot, error, file, length.
constexpr std::size_t completionFields = 4;

class DiskHandle final : public Napi::ObjectWrap<DiskHandle> {
 public:
  static Napi::Function Class(Napi::Env env) {
    return DefineClass(env, "Disk",
                       {InstanceMethod<&DiskHandle::Submit>("submit"),
                        InstanceMethod<&DiskHandle::AddArena>("addArena"),
                        InstanceMethod<&DiskHandle::Close>("close"),
                        InstanceMethod<&DiskHandle::Stats>("stats")});
  }

  // ({directory, engine, direct, inline, syncsEach, ringForbidden}, completions: Float64Array, pinned: unknown[],
  //  onCompletions: (count, extras) => void, onClosed: () => void)
  explicit DiskHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DiskHandle>(info) {
    const Napi::Env env = info.Env();
    const Napi::Object given = info[0].As<Napi::Object>();
    Napi::Float64Array completions = info[1].As<Napi::Float64Array>();
    completionsPerCall_ = completions.ElementLength() / completionFields;
    records_ = completions.Data();
    // Strong: what JavaScript pins is reachable from here until the disk is done with it.
    recordsReference_ = Napi::Persistent(info[1].As<Napi::Object>());
    pinnedReference_ = Napi::Persistent(info[2].As<Napi::Object>());
    onCompletions_ = Napi::Persistent(info[3].As<Napi::Function>());
    onClosed_ = Napi::Persistent(info[4].As<Napi::Function>());

    walrus::Options options;
    options.directory = given.Get("directory").As<Napi::String>().Utf8Value();
    options.engine = static_cast<walrus::Engine>(given.Get("engine").As<Napi::Number>().Uint32Value());
    options.direct = static_cast<walrus::Direct>(given.Get("direct").As<Napi::Number>().Uint32Value());
    inline_ = given.Get("inline").As<Napi::Boolean>().Value();
    options.syncsEach = given.Get("syncsEach").As<Napi::Boolean>().Value();
    options.ringForbidden = given.Get("ringForbidden").As<Napi::String>().Utf8Value();
    options.onCompletions = [this] { tell_.NonBlockingCall(); };
    try {
      disk_ = std::make_unique<walrus::Disk>(std::move(options));
    } catch (const std::exception& failure) {
      throw Napi::Error::New(env, failure.what());
    }
    Ref();  // until the last call of `tell_` is over
    tell_ = Tell::New(env, "walrus disk", 0, 1, this, [](Napi::Env, void*, DiskHandle* handle) { handle->Unref(); });
    tell_.Unref(env);
    // Later than the thread-safe function, so that it runs before that one is torn down.
    napi_add_env_cleanup_hook(env, StopAtExit, this);
  }

 private:
  static void Deliver(Napi::Env env, Napi::Function, DiskHandle* handle, void*) {
    if (static_cast<napi_env>(env) != nullptr) handle->DeliverHere(env);
  }
  using Tell = Napi::TypedThreadSafeFunction<DiskHandle, void, Deliver>;

  static void StopAtExit(void* handle) { static_cast<DiskHandle*>(handle)->disk_->stop(); }

  // (op, slot, file, offset, bytes | name, new name) => whether it is done already, and no completion will come
  Napi::Value Submit(const Napi::CallbackInfo& info) {
    Request request;
    request.op = static_cast<Op>(info[0].As<Napi::Number>().Uint32Value());
    request.slot = info[1].As<Napi::Number>().Uint32Value();
    request.file = info[2].As<Napi::Number>().Uint32Value();
    request.offset = static_cast<std::uint64_t>(info[3].As<Napi::Number>().Int64Value());
    switch (request.op) {
      case Op::write:
      case Op::read: {
        Napi::Uint8Array bytes = info[4].As<Napi::Uint8Array>();
        request.data = bytes.Data();
        request.length = bytes.ByteLength();
        break;
      }
      case Op::open:
        request.create = request.offset != 0;
        request.name = info[4].As<Napi::String>().Utf8Value();
        break;
      case Op::rename:
        request.name = info[4].As<Napi::String>().Utf8Value();
        request.newName = info[5].As<Napi::String>().Utf8Value();
        break;
      case Op::unlink: request.name = info[4].As<Napi::String>().Utf8Value(); break;
      default: break;
    }
    const bool mayBeInline = inline_ && (request.op == Op::write || request.op == Op::sync);
    if (mayBeInline && disk_->tryInline(request)) return Napi::Boolean::New(info.Env(), true);
    // While something is under way, it keeps the process alive.
    if (underWay_++ == 0) tell_.Ref(info.Env());
    disk_->submit(std::move(request));
    return Napi::Boolean::New(info.Env(), false);
  }

  // (memory): the caller keeps it in `pinned` from now on.
  void AddArena(const Napi::CallbackInfo& info) {
    Napi::Uint8Array memory = info[0].As<Napi::Uint8Array>();
    disk_->addArena(memory.Data(), memory.ByteLength());
  }

  // Once all that was submitted has completed and been delivered, `onClosed` is called.
  void Close(const Napi::CallbackInfo& info) {
    closing_ = true;
    tell_.Ref(info.Env());
    disk_->drain();
  }

  void DeliverHere(Napi::Env env) {
    const bool last = disk_->isDrained();
    disk_->takeCompletions(taken_);
    for (std::size_t from = 0; from < taken_.size(); from += completionsPerCall_) {
      const std::size_t count = std::min(completionsPerCall_, taken_.size() - from);
      CallWith(env, from, count);
    }
    taken_.clear();
    if (last && !closed_) Closed(env);
  }

  void CallWith(Napi::Env env, std::size_t from, std::size_t count) {
    const Napi::HandleScope scope(env);
    // What does not fit into numbers, in the order of the records that have it.
    Napi::Array extras;
    const auto extra = [&](Napi::Value value) {
      if (extras.IsEmpty()) extras = Napi::Array::New(env);
      extras.Set(extras.Length(), value);
    };
    double* record = records_;
    for (std::size_t i = from; i < from + count; i++, record += completionFields) {
      const Completion& completion = taken_[i];
      record[0] = completion.slot;
      record[1] = static_cast<double>(completion.error);
      record[2] = completion.file;
      record[3] = static_cast<double>(completion.length);
      if (completion.error != DiskError::none) extra(Napi::String::New(env, completion.detail));
      else if (completion.isList) extra(FilesOf(env, completion));
    }
    underWay_ -= count;
    if (underWay_ == 0 && !closing_) tell_.Unref(env);
    try {
      onCompletions_.Call({Napi::Number::New(env, static_cast<double>(count)),
                           extras.IsEmpty() ? env.Undefined() : extras.As<Napi::Value>()});
    } catch (const Napi::Error& error) {
      // As if it had been thrown out of a timer: 'uncaughtException', and with nobody there the end.
      napi_fatal_exception(env, error.Value());
    }
  }

  static Napi::Array FilesOf(Napi::Env env, const Completion& completion) {
    Napi::Array files = Napi::Array::New(env, completion.files.size() * 2);
    std::uint32_t at = 0;
    for (const walrus::FileEntry& entry : completion.files) {
      files.Set(at++, Napi::String::New(env, entry.name));
      files.Set(at++, Napi::Number::New(env, static_cast<double>(entry.sizeBytes)));
    }
    return files;
  }

  void Closed(Napi::Env env) {
    const Napi::HandleScope scope(env);
    closed_ = true;
    disk_->stop();
    napi_remove_env_cleanup_hook(env, StopAtExit, this);
    tell_.Release();
    pinnedReference_.Reset();
    try {
      onClosed_.Call({});
    } catch (const Napi::Error& error) {
      napi_fatal_exception(env, error.Value());
    }
    // The callbacks know the object that has this one: without this neither would ever be collected.
    onCompletions_.Reset();
    onClosed_.Reset();
  }

  Napi::Value Stats(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const walrus::Choice& choice = disk_->choice();
    const walrus::Counters& counters = disk_->counters();
    Napi::Object stats = Napi::Object::New(env);
    const auto count = [&](const char* name, const std::atomic<std::uint64_t>& counter) {
      stats.Set(name, Napi::Number::New(env, static_cast<double>(counter.load(std::memory_order_relaxed))));
    };
    stats.Set("engine", choice.engine == walrus::Engine::ioUring ? "io_uring" : "pwrite");
    stats.Set("engineReason", choice.engineReason);
    stats.Set("direct", Napi::Boolean::New(env, choice.direct));
    stats.Set("directReason", choice.directReason);
    stats.Set("checksum", walrus::crc32cIsHardware() ? "hardware" : "table");
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

  std::unique_ptr<walrus::Disk> disk_;
  Tell tell_;
  double* records_ = nullptr;
  std::size_t completionsPerCall_ = 0;
  std::size_t underWay_ = 0;
  bool inline_ = false;
  bool closing_ = false;
  bool closed_ = false;
  std::vector<Completion> taken_;
  Napi::ObjectReference recordsReference_;
  Napi::ObjectReference pinnedReference_;
  Napi::FunctionReference onCompletions_;
  Napi::FunctionReference onClosed_;
};

// (bytes, from, to, seed) => crc
Napi::Value Checksum(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  const std::uint32_t from = info[1].As<Napi::Number>().Uint32Value();
  const std::uint32_t to = info[2].As<Napi::Number>().Uint32Value();
  const std::uint32_t seed = info[3].As<Napi::Number>().Uint32Value();
  if (from > to || to > bytes.ByteLength()) {
    throw Napi::RangeError::New(info.Env(), "checksum: [from, to) is not inside of the bytes");
  }
  return Napi::Number::New(info.Env(), walrus::crc32c(bytes.Data() + from, to - from, seed));
}

// (bytes) => how far their address is from the next multiple of the direct alignment
Napi::Value BytesToAlignment(const Napi::CallbackInfo& info) {
  const auto address = reinterpret_cast<std::uintptr_t>(info[0].As<Napi::Uint8Array>().Data());
  return Napi::Number::New(info.Env(), static_cast<double>(-address % walrus::directAlignment));
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("Disk", DiskHandle::Class(env));
  exports.Set("checksum", Napi::Function::New<Checksum>(env, "checksum"));
  exports.Set("bytesToAlignment", Napi::Function::New<BytesToAlignment>(env, "bytesToAlignment"));
  exports.Set("directAlignment", Napi::Number::New(env, walrus::directAlignment));
  return exports;
}

}  // namespace

NODE_API_MODULE(walrus, Init)
