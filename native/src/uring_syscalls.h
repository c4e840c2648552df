// The few functions of liburing that ring.cc needs, over the system calls themselves: for machines that have the kernel's
// header, as every compiler brings it, but not liburing's. Names and meanings are liburing's; kernels
// before 5.4, whose rings take three mappings, are refused.
#pragma once

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>

#ifndef IORING_SETUP_COOP_TASKRUN
#define IORING_SETUP_COOP_TASKRUN (1U << 8)
#endif
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

struct io_uring {
  int fd;
  unsigned features;
  unsigned char* rings;
  std::size_t ringsBytes;
  io_uring_sqe* entries;
  std::size_t entriesBytes;
  unsigned* submitHead;
  unsigned* submitTail;
  unsigned submitMask;
  unsigned submitEntries;
  unsigned prepared;  // the tail as it will be when the next submit tells the kernel
  unsigned* completeHead;
  unsigned* completeTail;
  unsigned completeMask;
  io_uring_cqe* completions;
};

inline int io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* parameters) {
  const int fd = static_cast<int>(::syscall(__NR_io_uring_setup, entries, parameters));
  if (fd < 0) return -errno;
  if ((parameters->features & IORING_FEAT_SINGLE_MMAP) == 0) {
    ::close(fd);
    return -ENOSYS;
  }
  const io_sqring_offsets& submit = parameters->sq_off;
  const io_cqring_offsets& complete = parameters->cq_off;
  ring->ringsBytes = std::max(submit.array + parameters->sq_entries * sizeof(unsigned),
                              complete.cqes + parameters->cq_entries * sizeof(io_uring_cqe));
  ring->entriesBytes = parameters->sq_entries * sizeof(io_uring_sqe);
  constexpr int protection = PROT_READ | PROT_WRITE;
  constexpr int kind = MAP_SHARED | MAP_POPULATE;
  void* rings = ::mmap(nullptr, ring->ringsBytes, protection, kind, fd, IORING_OFF_SQ_RING);
  void* queue = ::mmap(nullptr, ring->entriesBytes, protection, kind, fd, IORING_OFF_SQES);
  if (rings == MAP_FAILED || queue == MAP_FAILED) {
    const int failure = errno;
    if (rings != MAP_FAILED) ::munmap(rings, ring->ringsBytes);
    if (queue != MAP_FAILED) ::munmap(queue, ring->entriesBytes);
    ::close(fd);
    return -failure;
  }
  ring->fd = fd;
  ring->features = parameters->features;
  ring->rings = static_cast<unsigned char*>(rings);
  ring->entries = static_cast<io_uring_sqe*>(queue);
  const auto field = [&](unsigned offset) { return reinterpret_cast<unsigned*>(ring->rings + offset); };
  ring->submitHead = field(submit.head);
  ring->submitTail = field(submit.tail);
  ring->submitMask = *field(submit.ring_mask);
  ring->submitEntries = parameters->sq_entries;
  ring->prepared = *ring->submitTail;
  for (unsigned i = 0; i < parameters->sq_entries; i++) field(submit.array)[i] = i;
  ring->completeHead = field(complete.head);
  ring->completeTail = field(complete.tail);
  ring->completeMask = *field(complete.ring_mask);
  ring->completions = reinterpret_cast<io_uring_cqe*>(ring->rings + complete.cqes);
  return 0;
}

inline void io_uring_queue_exit(io_uring* ring) {
  ::munmap(ring->entries, ring->entriesBytes);
  ::munmap(ring->rings, ring->ringsBytes);
  ::close(ring->fd);
}

// The kernel moves the head after it has read the entries before it, so its value must be read before they are reused.
inline io_uring_sqe* io_uring_get_sqe(io_uring* ring) {
  const unsigned head = std::atomic_ref(*ring->submitHead).load(std::memory_order_acquire);
  if (ring->prepared - head == ring->submitEntries) return nullptr;
  io_uring_sqe* entry = &ring->entries[ring->prepared++ & ring->submitMask];
  *entry = io_uring_sqe{};
  return entry;
}

// The entries must be written before the tail that shows them.
inline int io_uring_submit_and_wait(io_uring* ring, unsigned wanted) {
  std::atomic_ref(*ring->submitTail).store(ring->prepared, std::memory_order_release);
  const unsigned head = std::atomic_ref(*ring->submitHead).load(std::memory_order_acquire);
  const long result = ::syscall(__NR_io_uring_enter, ring->fd, ring->prepared - head, wanted,
                                IORING_ENTER_GETEVENTS, nullptr, 0);
  return result < 0 ? -errno : static_cast<int>(result);
}

inline int io_uring_submit_and_get_events(io_uring* ring) { return io_uring_submit_and_wait(ring, 0); }

inline void io_uring_prep_rw(io_uring_sqe* entry, int operation, int fd, const void* data, unsigned length,
                             std::uint64_t offset) {
  entry->opcode = static_cast<std::uint8_t>(operation);
  entry->fd = fd;
  entry->addr = reinterpret_cast<std::uintptr_t>(data);
  entry->len = length;
  entry->off = offset;
}

inline void io_uring_prep_write(io_uring_sqe* entry, int fd, const void* data, unsigned length,
                                std::uint64_t offset) {
  io_uring_prep_rw(entry, IORING_OP_WRITE, fd, data, length, offset);
}

inline void io_uring_prep_read(io_uring_sqe* entry, int fd, void* data, unsigned length, std::uint64_t offset) {
  io_uring_prep_rw(entry, IORING_OP_READ, fd, data, length, offset);
}

inline void io_uring_prep_write_fixed(io_uring_sqe* entry, int fd, const void* data, unsigned length,
                                      std::uint64_t offset, int memory) {
  io_uring_prep_rw(entry, IORING_OP_WRITE_FIXED, fd, data, length, offset);
  entry->buf_index = static_cast<std::uint16_t>(memory);
}

inline void io_uring_prep_read_fixed(io_uring_sqe* entry, int fd, void* data, unsigned length,
                                     std::uint64_t offset, int memory) {
  io_uring_prep_rw(entry, IORING_OP_READ_FIXED, fd, data, length, offset);
  entry->buf_index = static_cast<std::uint16_t>(memory);
}

inline void io_uring_prep_fsync(io_uring_sqe* entry, int fd, unsigned flags) {
  io_uring_prep_rw(entry, IORING_OP_FSYNC, fd, nullptr, 0, 0);
  entry->fsync_flags = flags;
}

inline void io_uring_prep_poll_add(io_uring_sqe* entry, int fd, unsigned events) {
  io_uring_prep_rw(entry, IORING_OP_POLL_ADD, fd, nullptr, 0, 0);
  entry->poll32_events = events;  // in the byte order of x86-64 and arm64
}

inline void io_uring_sqe_set_data64(io_uring_sqe* entry, std::uint64_t tag) { entry->user_data = tag; }

// The completions must be read after the tail that shows them, and before the head that gives them back.
#define io_uring_for_each_cqe(ring, head, completion)                                                     \
  for (head = *(ring)->completeHead;                                                                      \
       (completion =                                                                                      \
            head != std::atomic_ref(*(ring)->completeTail).load(std::memory_order_acquire)                \
                ? &(ring)->completions[head & (ring)->completeMask]                                       \
                : nullptr) != nullptr;                                                                    \
       head++)

inline void io_uring_cq_advance(io_uring* ring, unsigned count) {
  const unsigned head = *ring->completeHead + count;
  std::atomic_ref(*ring->completeHead).store(head, std::memory_order_release);
}

inline int io_uring_register(io_uring* ring, unsigned operation, const void* argument, unsigned count) {
  const long result = ::syscall(__NR_io_uring_register, ring->fd, operation, argument, count);
  return result < 0 ? -errno : static_cast<int>(result);
}

inline int io_uring_register_sparse(io_uring* ring, unsigned operation, unsigned count) {
  io_uring_rsrc_register table{};
  table.nr = count;
  table.flags = 1;  // sparse
  return io_uring_register(ring, operation, &table, sizeof table);
}

inline int io_uring_register_files_sparse(io_uring* ring, unsigned count) {
  return io_uring_register_sparse(ring, IORING_REGISTER_FILES2, count);
}

inline int io_uring_register_buffers_sparse(io_uring* ring, unsigned count) {
  return io_uring_register_sparse(ring, IORING_REGISTER_BUFFERS2, count);
}

inline int io_uring_register_files_update(io_uring* ring, unsigned slot, const int* files, unsigned count) {
  io_uring_files_update update{};
  update.offset = slot;
  update.fds = reinterpret_cast<std::uintptr_t>(files);
  return io_uring_register(ring, IORING_REGISTER_FILES_UPDATE, &update, count);
}

inline int io_uring_register_buffers_update_tag(io_uring* ring, unsigned slot, const iovec* memories,
                                                const __u64* tags, unsigned count) {
  io_uring_rsrc_update2 update{};
  update.offset = slot;
  update.data = reinterpret_cast<std::uintptr_t>(memories);
  update.tags = reinterpret_cast<std::uintptr_t>(tags);
  update.nr = count;
  return io_uring_register(ring, IORING_REGISTER_BUFFERS_UPDATE, &update, sizeof update);
}
