#include "Stream.h"

#include <cstring>

#include "Environment.h"

namespace kvm_audio {

namespace {

// `ended` is the last thing that a thread says; what it does after that takes microseconds.
constexpr int64_t kJoinNsMax = 20'000'000;

int32_t integer(const Napi::Object& from, const char* name) {
  return from.Get(name).As<Napi::Number>().Int32Value();
}

// TypeScript has validated them.
StreamOptions readOptions(const Napi::Object& from) {
  StreamOptions options;
  options.direction =
      from.Get("capture").As<Napi::Boolean>() ? Direction::kCapture : Direction::kPlayback;
  options.device = from.Get("device").As<Napi::String>();
  options.rate = static_cast<unsigned>(integer(from, "rate"));
  options.channels = static_cast<unsigned>(integer(from, "channels"));
  options.cardRate = static_cast<unsigned>(integer(from, "cardRate"));
  options.periodFrames = static_cast<unsigned>(integer(from, "periodFrames"));
  options.bufferFrames = static_cast<unsigned>(integer(from, "bufferFrames"));
  options.slotFrames = integer(from, "slotFrames");
  options.slotFramesMax = integer(from, "slotFramesMax");
  options.slotCount = integer(from, "slotCount");
  options.schedFifoPriority = integer(from, "schedFifoPriority");
  options.guardFrames = integer(from, "guardFrames");
  options.lowWaterFrames = integer(from, "lowWaterFrames");
  options.startSilenceFrames = integer(from, "startSilenceFrames");
  return options;
}

void writeOptions(StreamCore& core) {
  const StreamOptions& options = core.options;
  StreamMemory& memory = core.memory;
  memory.word(StreamMemory::kSlotFrames) = options.slotFrames;
  memory.word(StreamMemory::kGuardFrames) = options.guardFrames;
  memory.word(StreamMemory::kLowWaterFrames) = options.lowWaterFrames;
  memory.word(StreamMemory::kStartSilenceFrames) = options.startSilenceFrames;
}

}  // namespace

Napi::Function Stream::define(Napi::Env env) {
  return DefineClass(env, "Stream",
                     {
                         InstanceMethod<&Stream::kick>("kick"),
                         InstanceMethod<&Stream::stop>("stop"),
                         InstanceMethod<&Stream::finish>("finish"),
                         InstanceMethod<&Stream::memory>("memory"),
                         InstanceMethod<&Stream::negotiated>("negotiated"),
                         InstanceMethod<&Stream::failure>("failure"),
                     });
}

Stream::Stream(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Stream>(info) {
  const Napi::Env env = info.Env();
  core_ = std::make_shared<StreamCore>(readOptions(info[0].As<Napi::Object>()));
  if (!core_->memory.valid() || !core_->toThread.valid() || !core_->toJs.valid()) {
    Napi::Error::New(env, "out of memory or of file descriptors").ThrowAsJavaScriptException();
    return;
  }
  writeOptions(*core_);
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  auto watch = std::make_unique<uv_poll_t>();
  int error = uv_poll_init(loop, watch.get(), core_->toJs.fd());
  if (error == 0) {
    watch_ = watch.release();
    watch_->data = this;
    error = uv_poll_start(watch_, UV_READABLE, onReadable);
  }
  if (error == 0) error = -thread_.start(core_);
  if (error != 0) {
    closeWatch();
    Napi::Error::New(env, std::string("the device thread could not be started: ") +
                              uv_strerror(error))
        .ThrowAsJavaScriptException();
    return;
  }
  onEvents_ = Napi::Persistent(info[1].As<Napi::Function>());
  context_ = std::make_unique<Napi::AsyncContext>(env, "KvmAudioStream");
  Environment::of(env).add(this);
  Ref();
}

Stream::~Stream() {
  requestStop();
  closeWatch();
}

void Stream::requestStop() {
  core_->stop.store(true, std::memory_order_release);
  core_->toThread.signal();
}

bool Stream::letGo(int64_t limitNs) {
  core_->endCarrying();
  const bool joined = thread_.join(limitNs);
  closeWatch();
  if (!joined) {
    thread_.abandon();
    return false;
  }
  // The rest waits for the garbage collector; file descriptors and sound are too dear for that.
  core_->toThread.close();
  core_->toJs.close();
  core_->memory.letGoOfSamples();
  return true;
}

void Stream::closeWatch() {
  if (watch_ == nullptr) return;
  watch_->data = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(watch_),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
  watch_ = nullptr;
}

Napi::Value Stream::kick(const Napi::CallbackInfo& info) {
  core_->toThread.signal();
  return info.Env().Undefined();
}

Napi::Value Stream::stop(const Napi::CallbackInfo& info) {
  requestStop();
  return info.Env().Undefined();
}

Napi::Value Stream::finish(const Napi::CallbackInfo& info) {
  const bool joined = letGo(info[0].As<Napi::Boolean>() ? kJoinNsMax : 0);
  Environment::of(info.Env()).remove(this);
  // What is called back refers to this object: both would hold each other for good. A call that is
  // being made has its own hold on the function.
  onEvents_.Reset();
  Unref();
  return Napi::Boolean::New(info.Env(), joined);
}

Napi::Value Stream::memory(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto* holder = new std::shared_ptr<StreamCore>(core_);
  auto to = Napi::Object::New(env);
  to.Set("buffer",
         Napi::ArrayBuffer::New(
             env, core_->memory.data(), core_->memory.byteLength(),
             [](Napi::BasicEnv, void*, std::shared_ptr<StreamCore>* held) { delete held; },
             holder));
  to.Set("samplesByteOffset", static_cast<double>(core_->memory.samplesOffset()));
  to.Set("slotStrideBytes", static_cast<double>(core_->memory.slotStride()));
  return to;
}

Napi::Value Stream::negotiated(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Negotiated& from = core_->negotiated;
  auto to = Napi::Object::New(env);
  to.Set("rate", from.rate);
  to.Set("channels", from.channels);
  to.Set("format", from.format);
  to.Set("periodFrames", from.periodFrames);
  to.Set("bufferFrames", from.bufferFrames);
  to.Set("heldFrames", from.heldFrames);
  to.Set("pitchMinPpm", from.pitchMinPpm);
  to.Set("pitchMaxPpm", from.pitchMaxPpm);
  to.Set("cardName", from.cardName);
  to.Set("priorityErrno", from.priorityErrno);
  return to;
}

Napi::Value Stream::failure(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Failure& from = core_->failure;
  auto to = Napi::Object::New(env);
  to.Set("code", from.code);
  to.Set("call", from.call);
  to.Set("errno", from.error);
  to.Set("deviceGone", from.deviceGone);
  to.Set("retryable", from.retryable);
  to.Set("detail", from.detail);
  return to;
}

void Stream::onReadable(uv_poll_t* watch, int, int) {
  auto* const self = static_cast<Stream*>(watch->data);
  if (self != nullptr) self->deliver();
}

void Stream::deliver() {
  core_->toJs.clear();
  const uint32_t events = core_->events.exchange(0, std::memory_order_acq_rel);
  if (events == 0) return;
  const Napi::Env env = Env();
  const Napi::HandleScope scope(env);
  napi_value bits = Napi::Number::New(env, events);
  // The C call: in a worker that is being terminated it fails, which is no reason to abort.
  napi_make_callback(env, *context_, env.Global(), onEvents_.Value(), 1, &bits, nullptr);
  napi_value exception = nullptr;
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) != napi_ok || !pending) return;
  if (napi_get_and_clear_last_exception(env, &exception) != napi_ok) return;
  napi_fatal_exception(env, exception);
}

}  // namespace kvm_audio
