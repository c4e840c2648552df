// What can go wrong with a file, by name. Knows errno values and what each of them means to a log;
// does not decide what to do about them.
#pragma once

#include <string>

namespace walrus {

// The names of the disk port. The order is that of the codes in index.ts.
enum class DiskError { none, locked, exists, notFound, noSpace, io, exhausted, unusable };

DiskError diskErrorOf(int errnoValue);

// The symbolic name of an errno value, such as "ENOSPC".
std::string errnoName(int errnoValue);

// "write wal-1: ENOSPC: the device is full": the operation, the name, and a phrase on what it means here.
std::string describeFailure(const std::string& operation, int errnoValue);

}  // namespace walrus
