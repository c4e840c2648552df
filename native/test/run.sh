#!/bin/sh
# Builds the C++ tests and runs them: under the address and undefined-behaviour sanitizers, the threaded one under the
# thread sanitizer too, and the ring once over liburing, if it is there, and once over system calls.
set -eu
cd "$(dirname "$0")"
compiler="${CXX:-g++}"
if ! command -v "$compiler" > /dev/null; then
  echo "native tests not run: there is no compiler ($compiler)"
  exit 0
fi
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"
wraps="-Wl,--wrap=pwrite64,--wrap=pread64,--wrap=fdatasync,--wrap=fallocate64,--wrap=bind,--wrap=_ZN6walrus4Ring6submitEb,--wrap=_ZN6walrus7advanceERNS_8TransferElRNS_7RetriesE"
sources="checksum directory disk failure file lock_socket pwrite_engine ring uring_engine"

# build NAME FLAGS...: the product's objects, and each test linked to them.
build() {
  name="$1"
  shift
  for source in $sources; do
    "$compiler" -std=c++20 -O1 -g -D_FILE_OFFSET_BITS=64 $warnings "$@" -c "../src/$source.cc" -o "$out/$name-$source.o"
  done
}

# run NAME TEST FLAGS...: 77 means that the machine refuses what the test needs, and the test has said so.
run() {
  name="$1"
  test="$2"
  shift 2
  "$compiler" -std=c++20 -O1 -g -D_FILE_OFFSET_BITS=64 $warnings "$@" "${test}_test.cc" faults.cc $(printf "$out/$name-%s.o " $sources) \
    $wraps $libraries -pthread -o "$out/$name-$test"
  echo "[$name]"
  "$out/$name-$test" || [ $? -eq 77 ]
}

libraries=""
memory="-fsanitize=address,undefined -fno-sanitize-recover=all"
build memory $memory
for test in checksum file ring disk; do run memory "$test" $memory; done
build threads -fsanitize=thread
run threads disk -fsanitize=thread

archive="$("$compiler" -print-file-name=liburing.a)"
if [ -f "$archive" ]; then
  libraries="$archive"
  build liburing $memory -DWALRUS_LIBURING
  for test in ring disk; do run liburing "$test" $memory; done
fi
