#include "../src/file.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <vector>

#include "../src/directory.h"
#include "../src/failure.h"
#include "../src/lock_socket.h"
#include "check.h"
#include "faults.h"

using namespace walrus;

namespace {

Transfer transferOf(Transfer::Kind kind, int fd, std::vector<std::uint8_t>& bytes, std::uint64_t offset) {
  Transfer transfer;
  transfer.kind = kind;
  transfer.fd = fd;
  transfer.data = bytes.data();
  transfer.length = bytes.size();
  transfer.offset = offset;
  return transfer;
}

void transfersGoOnUntilAllIsDone(int fd) {
  Retries retries;
  std::vector<std::uint8_t> bytes(10000);
  for (std::size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<std::uint8_t>(i * 31);
  onWrite.arm(3, 0, 100);
  Transfer write = transferOf(Transfer::Kind::write, fd, bytes, 50);
  runToEnd(write, retries);
  CHECK(write.failure == 0 && write.done == bytes.size());
  CHECK(retries.shortTransfers == 3);

  std::vector<std::uint8_t> into(bytes.size());
  onRead.arm(5, EINTR);
  Transfer read = transferOf(Transfer::Kind::read, fd, into, 50);
  runToEnd(read, retries);
  CHECK(read.failure == 0 && into == bytes);
  CHECK(retries.interruptions == 5);

  onRead.arm(2, 0, 1);
  into.assign(bytes.size() + 10, 0xee);
  read = transferOf(Transfer::Kind::read, fd, into, 50);
  runToEnd(read, retries);
  CHECK(read.failure == 0 && read.done == bytes.size() && into.back() == 0xee);

  onSync.arm(2, EINTR);
  Transfer sync;
  sync.fd = fd;
  runToEnd(sync, retries);
  CHECK(sync.failure == 0 && onSync.count == 0);
}

void failuresEndTransfers(int fd) {
  Retries retries;
  std::vector<std::uint8_t> bytes(1000);
  onWrite.arm(1, ENOSPC);
  Transfer write = transferOf(Transfer::Kind::write, fd, bytes, 0);
  runToEnd(write, retries);
  CHECK(write.failure == ENOSPC);

  // A device that takes nothing, and says nothing, must not hold the thread for ever.
  onWrite.arm(1, 0, 0);
  write = transferOf(Transfer::Kind::write, fd, bytes, 0);
  runToEnd(write, retries);
  CHECK(write.failure == EIO);

  onSync.arm(1, EIO);
  Transfer sync;
  sync.fd = fd;
  runToEnd(sync, retries);
  CHECK(sync.failure == EIO);
}

void allocationReserves(int fd) {
  struct stat status {};
  CHECK(allocateFile(fd, 1 << 20) == 0);
  CHECK(::fstat(fd, &status) == 0 && status.st_size == 1 << 20);
  CHECK(static_cast<std::uint64_t>(status.st_blocks) * 512 >= 1 << 20);
  CHECK(allocateFile(fd, 10) == 0);
  CHECK(::fstat(fd, &status) == 0 && status.st_size == 1 << 20);
  onAllocate.arm(1, ENOSPC);
  CHECK(allocateFile(fd, 2 << 20) == ENOSPC);
  onAllocate.arm(1, EOPNOTSUPP);
  CHECK(allocateFile(fd, 3 << 20) == 0);
  CHECK(::fstat(fd, &status) == 0 && status.st_size == 3 << 20);
}

void alignmentIsOfAllThree() {
  const AlignedBuffer buffer(8192);
  std::uint8_t* data = buffer.data();
  CHECK(isDirectAligned(data, 4096, 4096));
  CHECK(!isDirectAligned(data + 512, 4096, 4096));
  CHECK(!isDirectAligned(data, 512, 4096));
  CHECK(!isDirectAligned(data, 4096, 1));
}

void namesStayInTheDirectory(const std::string& path) {
  std::string holder;
  Directory directory(path + "/new/deep");
  CHECK(directory.lock(holder) == 0);
  CHECK(directory.lock(holder) == EWOULDBLOCK);
  Directory other(path + "/new/deep");
  CHECK(other.lock(holder) == EWOULDBLOCK);
  Descriptor file;
  for (const char* name : {"", ".", "..", "/", "../x", "a/b", "/etc/passwd"}) {
    CHECK(directory.openFile(name, O_CREAT, file) == EINVAL);
    CHECK(directory.unlink(name) == EINVAL);
    CHECK(directory.rename("a", name) == EINVAL);
    CHECK(directory.rename(name, "a") == EINVAL);
  }
  CHECK(directory.openFile(std::string("a\0b", 3), O_CREAT, file) == EINVAL);
  CHECK(directory.openFile(std::string(256, 'x'), O_CREAT, file) == ENAMETOOLONG);
  // A link might lead out; what is no plain file might not come back from a read.
  CHECK(::symlink("/etc/passwd", (path + "/new/deep/link").c_str()) == 0);
  CHECK(directory.openFile("link", 0, file) == ELOOP);
  CHECK(::mkfifo((path + "/new/deep/fifo").c_str(), 0600) == 0);
  CHECK(directory.openFile("fifo", 0, file) == EINVAL);
  CHECK(directory.openFile("a", O_CREAT | O_EXCL, file) == 0);
  CHECK(directory.openFile("a", O_CREAT | O_EXCL, file) == EEXIST);
  std::vector<FileEntry> entries;
  CHECK(directory.list(entries) == 0);
  CHECK(entries.size() == 1 && entries[0].name == "a");
  directory.unlock();
  CHECK(other.lock(holder) == 0);
}

// A child that is being started has copies of all descriptors until it has started, and its parent may lock again before.
void unlocksWhateverAChildHolds(const std::string& path) {
  for (const int errnoOfSockets : {0, EPERM, EIO}) {
    onBind.arm(errnoOfSockets == 0 ? 0 : 2, errnoOfSockets);
    std::string holder;
    Directory directory(path + "/forked");
    CHECK(directory.lock(holder) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::pause();
      ::_exit(0);
    }
    directory.unlock();
    Directory next(path + "/forked");
    // Without a file the name of a socket is the child's until then.
    if (errnoOfSockets == 0) CHECK(next.lock(holder) == 0);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    if (errnoOfSockets != 0) CHECK(next.lock(holder) == 0);
  }
  onBind.arm(0, 0);
}

// What the dead leave behind, whoever they were, keeps nobody out; who lives keeps all out, by a socket of any kind.
void locksOutTheLivingOnly(const std::string& path) {
  const std::string deep = path + "/dead";
  std::string holder;
  CHECK(Directory(deep).lock(holder) == 0);
  const std::string dead = deep + "/lock-1-elsewhere-0123456789abcdef.sock";
  {
    const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s", dead.c_str());
    CHECK(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    CHECK(::listen(socket.get(), 1) == 0);
    Directory directory(deep);
    CHECK(directory.lock(holder) == EWOULDBLOCK);
    CHECK(holder == "process 1 on host elsewhere");
  }
  CHECK(::access(dead.c_str(), F_OK) == 0);
  Directory directory(deep);
  CHECK(directory.lock(holder) == 0);
  CHECK(::access(dead.c_str(), F_OK) != 0);
  CHECK(directory.isIntact());
  directory.unlock();

  onBind.arm(1, EOPNOTSUPP);
  CHECK(directory.lock(holder) == 0 && directory.isIntact());
  onBind.arm(10, EOPNOTSUPP);
  const Descriptor again(::open(deep.c_str(), O_RDONLY | O_DIRECTORY));
  CHECK(LockSocket().take(again.get(), holder) == EWOULDBLOCK);
  onBind.arm(0, 0);
}

void noticesThatItsDirectoryIsGone(const std::string& path) {
  std::string holder;
  const std::string gone = path + "/gone";
  Directory directory(gone);
  CHECK(directory.lock(holder) == 0 && directory.isIntact());
  CHECK(std::filesystem::remove_all(gone) > 0);
  CHECK(!directory.isIntact());
  Directory next(gone);
  CHECK(next.lock(holder) == 0 && next.isIntact() && !directory.isIntact());
}

void failuresHaveNames() {
  CHECK(diskErrorOf(0) == DiskError::none);
  CHECK(diskErrorOf(ENOSPC) == DiskError::noSpace);
  CHECK(diskErrorOf(EDQUOT) == DiskError::noSpace);
  CHECK(diskErrorOf(EIO) == DiskError::io);
  CHECK(diskErrorOf(4711) == DiskError::io);
  CHECK(describeFailure("write a at 0", ENOSPC) == "write a at 0: ENOSPC: the device is full");
  CHECK(describeFailure("x", 4711).find("4711") != std::string::npos);
}

}  // namespace

int main() {
  const ScratchDirectory scratch;
  const Descriptor file(::open((scratch.path() + "/file").c_str(), O_RDWR | O_CREAT, 0600));
  CHECK(static_cast<bool>(file));
  transfersGoOnUntilAllIsDone(file.get());
  failuresEndTransfers(file.get());
  allocationReserves(file.get());
  alignmentIsOfAllThree();
  namesStayInTheDirectory(scratch.path());
  unlocksWhateverAChildHolds(scratch.path());
  locksOutTheLivingOnly(scratch.path());
  noticesThatItsDirectoryIsGone(scratch.path());
  failuresHaveNames();
  return report("file");
}
