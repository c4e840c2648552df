// Three streams at once hide the latency of the crc32 instruction (3 cycles each, one may begin each cycle): the
// block is cut into thirds, each third gets its own crc, and the first two are moved over the bytes that
// follow them by a carry-less multiplication with x^(bits that follow) mod P.
#include "checksum.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace walrus {

namespace {

constexpr std::uint32_t polynomial = 0x82f63b78;  // bit-reflected

constexpr std::array<std::array<std::uint32_t, 256>, 8> makeTables() {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t byte = 0; byte < 256; byte++) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t slice = 1; slice < 8; slice++) {
    for (std::size_t byte = 0; byte < 256; byte++) {
      const std::uint32_t before = tables[slice - 1][byte];
      tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr auto tables = makeTables();

#if defined(__x86_64__)

constexpr std::size_t wordsMax = 512;  // of one third of a block: 12 KiB blocks, which stay in the first cache

// x^exponent mod P, bit-reflected: the highest bit is x^0.
constexpr std::uint32_t powerOfX(std::size_t exponent) {
  std::uint32_t power = 0x80000000;
  for (std::size_t i = 0; i < exponent; i++) {
    power = (power >> 1) ^ ((power & 1) != 0 ? polynomial : 0);
  }
  return power;
}

// A crc that is multiplied by shifts[w] and then reduced by one crc32 instruction has moved over w words:
// 64 w bits, less the 32 that the reduction adds and the 1 that a reflected product is short of.
constexpr std::array<std::uint32_t, 2 * wordsMax + 1> makeShifts() {
  std::array<std::uint32_t, 2 * wordsMax + 1> shifts{};
  std::uint32_t power = powerOfX(64 - 33);
  for (std::size_t words = 1; words < shifts.size(); words++) {
    shifts[words] = power;
    for (int bit = 0; bit < 64; bit++) power = (power >> 1) ^ ((power & 1) != 0 ? polynomial : 0);
  }
  return shifts;
}

const auto shifts = makeShifts();

std::uint64_t wordAt(const std::uint8_t* bytes) {
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

__attribute__((target("sse4.2,pclmul"))) std::uint64_t moved(std::uint64_t crc, std::size_t words) {
  const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(crc)),
                                               _mm_cvtsi32_si128(static_cast<int>(shifts[words])), 0);
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(product));
}

__attribute__((target("sse4.2,pclmul"))) std::uint32_t crc32cHardware(const std::uint8_t* bytes,
                                                                     std::size_t length,
                                                                     std::uint32_t seed) {
  constexpr std::size_t wordsMin = 8;  // below that the combination costs more than it saves
  std::uint64_t crc = static_cast<std::uint32_t>(~seed);
  while (length >= 3 * 8 * wordsMin) {
    const std::size_t words = length / 24 < wordsMax ? length / 24 : wordsMax;
    const std::uint8_t* second = bytes + words * 8;
    const std::uint8_t* third = second + words * 8;
    std::uint64_t first = crc;
    std::uint64_t middle = 0;
    std::uint64_t last = 0;
    for (std::size_t at = 0; at < words * 8; at += 8) {
      first = _mm_crc32_u64(first, wordAt(bytes + at));
      middle = _mm_crc32_u64(middle, wordAt(second + at));
      last = _mm_crc32_u64(last, wordAt(third + at));
    }
    crc = last ^ _mm_crc32_u64(0, moved(first, 2 * words) ^ moved(middle, words));
    bytes += words * 24;
    length -= words * 24;
  }
  for (; length >= 8; bytes += 8, length -= 8) crc = _mm_crc32_u64(crc, wordAt(bytes));
  std::uint32_t tail = static_cast<std::uint32_t>(crc);
  for (; length > 0; bytes++, length--) tail = _mm_crc32_u8(tail, *bytes);
  return ~tail;
}

const bool hardware = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");

#else

constexpr bool hardware = false;

std::uint32_t crc32cHardware(const std::uint8_t* bytes, std::size_t length, std::uint32_t seed) {
  return crc32cPortable(bytes, length, seed);
}

#endif

}  // namespace

std::uint32_t crc32cPortable(const std::uint8_t* bytes, std::size_t length, std::uint32_t seed) {
  std::uint32_t crc = ~seed;
  for (; length >= 8; bytes += 8, length -= 8) {
    crc ^= static_cast<std::uint32_t>(bytes[0]) | static_cast<std::uint32_t>(bytes[1]) << 8 |
           static_cast<std::uint32_t>(bytes[2]) << 16 | static_cast<std::uint32_t>(bytes[3]) << 24;
    crc = tables[7][crc & 0xff] ^ tables[6][(crc >> 8) & 0xff] ^ tables[5][(crc >> 16) & 0xff] ^
          tables[4][crc >> 24] ^ tables[3][bytes[4]] ^ tables[2][bytes[5]] ^ tables[1][bytes[6]] ^
          tables[0][bytes[7]];
  }
  for (; length > 0; bytes++, length--) crc = (crc >> 8) ^ tables[0][(crc ^ *bytes) & 0xff];
  return ~crc;
}

std::uint32_t crc32c(const std::uint8_t* bytes, std::size_t length, std::uint32_t seed) {
  return hardware ? crc32cHardware(bytes, length, seed) : crc32cPortable(bytes, length, seed);
}

bool fillTable(std::uint8_t* bytes, std::size_t from, std::size_t table, std::size_t tableEnd) {
  constexpr std::size_t entryBytes = 12;
  std::size_t begin = 0;
  for (std::size_t entry = table; entry < tableEnd; entry += entryBytes) {
    if (tableEnd - entry < entryBytes) return false;
    std::uint32_t end;
    std::memcpy(&end, bytes + entry, sizeof end);
    if (end < begin || end > table - from) return false;
    const std::uint32_t crc = crc32c(bytes + from + begin, end - begin, 0);
    std::memcpy(bytes + entry + 8, &crc, sizeof crc);
    begin = end;
  }
  return true;
}

bool crc32cIsHardware() { return hardware; }

}  // namespace walrus
