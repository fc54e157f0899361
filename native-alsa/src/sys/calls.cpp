#include "calls.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "../views.h"

namespace kvm_audio {

namespace {

Napi::Value number(const Napi::CallbackInfo& info, int value) {
  return Napi::Number::New(info.Env(), value);
}

int bindAndListen(int fd, const std::string& path, mode_t mode, int backlog) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return -ENAMETOOLONG;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  // Before the file exists: there is no moment in which others may use it.
  if (fchmod(fd, mode) < 0) return -errno;
  const mode_t before = umask(0);
  const int bound = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  const int error = errno;
  umask(before);
  if (bound < 0) return -error;
  return listen(fd, backlog) < 0 ? -errno : 0;
}

Napi::Value groupsOf(Napi::Env env, int fd) {
  socklen_t bytes = 0;
  getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, nullptr, &bytes);
  std::vector<gid_t> groups(bytes / sizeof(gid_t));
  if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) < 0) groups.clear();
  auto list = Napi::Array::New(env, groups.size());
  for (uint32_t i = 0; i < groups.size(); i++) list.Set(i, Napi::Number::New(env, groups[i]));
  return list;
}

}  // namespace

Napi::Value listenUnix(const Napi::CallbackInfo& info) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return number(info, -errno);
  const std::string path = info[0].ToString();
  const int error =
      bindAndListen(fd, path, static_cast<mode_t>(intOr(info[1], 0600)), intOr(info[2], 0));
  if (error < 0) close(fd);
  return number(info, error < 0 ? error : fd);
}

Napi::Value socketPair(const Napi::CallbackInfo& info) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
    return number(info, -errno);
  auto pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0u, number(info, ends[0]));
  pair.Set(1u, number(info, ends[1]));
  return pair;
}

Napi::Value duplicate(const Napi::CallbackInfo& info) {
  const int copy = fcntl(intOr(info[0], -1), F_DUPFD_CLOEXEC, 0);
  return number(info, copy < 0 ? -errno : copy);
}

Napi::Value peer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = intOr(info[0], -1);
  ucred credentials = {};
  socklen_t bytes = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) < 0)
    return number(info, -errno);
  auto to = Napi::Object::New(env);
  to.Set("pid", Napi::Number::New(env, credentials.pid));
  to.Set("uid", Napi::Number::New(env, credentials.uid));
  to.Set("gid", Napi::Number::New(env, credentials.gid));
  to.Set("groups", groupsOf(env, fd));
  return to;
}

Napi::Value lock(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString();
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return number(info, -errno);
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return number(info, fd);
  const int error = errno;
  close(fd);
  return number(info, -error);
}

Napi::Value endWithParent(const Napi::CallbackInfo& info) {
  if (prctl(PR_SET_PDEATHSIG, intOr(info[0], 0)) < 0) return number(info, -errno);
  return number(info, getppid());
}

Napi::Value processCpuMs(const Napi::CallbackInfo& info) {
  clockid_t clock;
  const int error = clock_getcpuclockid(intOr(info[0], -1), &clock);
  if (error != 0) return number(info, -error);
  timespec time = {};
  if (clock_gettime(clock, &time) < 0) return number(info, -errno);
  const double ms = static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
  return Napi::Number::New(info.Env(), ms);
}

Napi::Value machine(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const double pageBytes = static_cast<double>(sysconf(_SC_PAGESIZE));
  auto to = Napi::Object::New(env);
  to.Set("pageBytes", Napi::Number::New(env, pageBytes));
  const double pages = static_cast<double>(sysconf(_SC_PHYS_PAGES));
  to.Set("memoryBytes", Napi::Number::New(env, pages * pageBytes));
  return to;
}

}  // namespace kvm_audio
