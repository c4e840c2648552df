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

// Fills the table at `bytes[table, tableEnd)`, entries of 12 bytes in the order of a little-endian machine: a u32 where a part ends, counted
// from `from`, where the first begins; 4 bytes that are left alone; the u32 CRC-32C of the part, which is written. False, and nothing more
// is written, where a part does not lie behind the one before it and before the table, or the last entry is cut.
bool fillTable(std::uint8_t* bytes, std::size_t from, std::size_t table, std::size_t tableEnd);

// Whether `crc32c` uses the hardware.
bool crc32cIsHardware();

}  // namespace walrus
