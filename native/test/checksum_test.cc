#include "../src/checksum.h"

#include <cstring>
#include <vector>

#include "check.h"

using walrus::crc32c;
using walrus::crc32cPortable;

namespace {

// Bit by bit, as the polynomial division is defined: the slow twin of both.
std::uint32_t byDefinition(const std::uint8_t* bytes, std::size_t length, std::uint32_t seed) {
  std::uint32_t crc = ~seed;
  for (std::size_t i = 0; i < length; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  }
  return ~crc;
}

}  // namespace

int main() {
  // RFC 3720, B.4, and the check value of the catalogue.
  std::vector<std::uint8_t> bytes(32, 0);
  CHECK(crc32c(bytes.data(), 32, 0) == 0x8a9136aa);
  bytes.assign(32, 0xff);
  CHECK(crc32c(bytes.data(), 32, 0) == 0x62a8ab43);
  for (std::size_t i = 0; i < 32; i++) bytes[i] = static_cast<std::uint8_t>(i);
  CHECK(crc32c(bytes.data(), 32, 0) == 0x46dd794e);
  CHECK(crc32c(reinterpret_cast<const std::uint8_t*>("123456789"), 9, 0) == 0xe3069283);
  CHECK(crc32c(nullptr, 0, 0) == 0);

  // All lengths around the borders of the three streams, from every alignment.
  std::uint32_t state = 1;
  bytes.resize(64 << 10);
  for (std::uint8_t& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  for (std::size_t length = 0; length < 1300; length++) {
    const std::uint8_t* from = bytes.data() + length % 9;
    const std::uint32_t seed = static_cast<std::uint32_t>(length * 2654435761u);
    const std::uint32_t expected = byDefinition(from, length, seed);
    CHECK(crc32cPortable(from, length, seed) == expected);
    CHECK(crc32c(from, length, seed) == expected);
  }
  for (std::size_t length = 12250; length < 12350; length++) {
    CHECK(crc32c(bytes.data() + 1, length, 7) == crc32cPortable(bytes.data() + 1, length, 7));
  }
  CHECK(crc32c(bytes.data(), bytes.size(), 0) == byDefinition(bytes.data(), bytes.size(), 0));

  // In two halves as in one.
  const std::uint32_t half = crc32c(bytes.data(), 10000, 0);
  CHECK(crc32c(bytes.data() + 10000, bytes.size() - 10000, half) == crc32c(bytes.data(), bytes.size(), 0));

  // A table behind the parts that it tells of.
  const std::uint32_t ends[] = {0, 5, 4101};
  for (std::uint32_t i = 0; i < 3; i++) {
    std::memcpy(bytes.data() + 5000 + 12 * i, &ends[i], 4);
    std::memset(bytes.data() + 5004 + 12 * i, static_cast<int>(i), 8);
  }
  CHECK(walrus::fillTable(bytes.data(), 100, 5000, 5036));
  for (std::uint32_t i = 0; i < 3; i++) {
    const std::uint32_t begin = i == 0 ? 0 : ends[i - 1];
    std::uint32_t crc;
    std::memcpy(&crc, bytes.data() + 5008 + 12 * i, 4);
    CHECK(crc == byDefinition(bytes.data() + 100 + begin, ends[i] - begin, 0));
    CHECK(bytes[5007 + 12 * i] == i);
    CHECK(bytes[5000 + 12 * i] == (ends[i] & 0xff));
  }
  // An entry that is cut, one that ends before the one before it, one that reaches into the table.
  CHECK(!walrus::fillTable(bytes.data(), 100, 5000, 5035));
  std::memset(bytes.data() + 5024, 0, 4);
  CHECK(!walrus::fillTable(bytes.data(), 100, 5000, 5036));
  const std::uint32_t beyond = 4901;
  std::memcpy(bytes.data() + 5024, &beyond, 4);
  CHECK(!walrus::fillTable(bytes.data(), 100, 5000, 5036));
  return report("checksum");
}
