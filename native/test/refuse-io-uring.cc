// Runs a command that the kernel refuses io_uring, as the default sandbox of containers does, or one of its calls:
//   refuse-io-uring setup|enter|register ERRNO COMMAND...
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

unsigned numberOf(std::string_view call) {
  if (call == "enter") return __NR_io_uring_enter;
  return call == "register" ? __NR_io_uring_register : __NR_io_uring_setup;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) return 2;
  const unsigned refusal = SECCOMP_RET_ERRNO | static_cast<unsigned>(std::atoi(arguments[2]));
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numberOf(arguments[1]), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, refusal),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {sizeof rules / sizeof rules[0], rules};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::perror("seccomp");
    return 2;
  }
  ::execvp(arguments[3], arguments + 3);
  std::perror(arguments[3]);
  return 2;
}
