// CRC-32C (Castagnoli). Knows bytes, nothing else.
#pragma once

#include <cstddef>
#include <cstdint>

namespace walrus {

// CRC-32C of `length` bytes, continued from `seed` (0 to begin). Uses the processor's own instruction where
// there is one.
std::uint32_t crc32c(const std::uint8_t* bytes, std::size_t length, std::uint32_t seed);

// The same by table, for processors that have none. Equal bit for bit.
std::uint32_t crc32cPortable(const std::uint8_t* bytes, std::size_t length, std::uint32_t seed);

// Whether `crc32c` uses the hardware.
bool crc32cIsHardware();

}  // namespace walrus
