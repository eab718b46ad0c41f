// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Formats against numpy and ml_dtypes, whose results tests/data/make_format_vectors.py has written.
#include "qfmt/qfmt.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

using namespace qfmt;

using Numbers = std::vector<std::uint32_t>;

/// The lines of a file by their first words; none where there is no such file.
std::map<std::string, Numbers> vectors_of(std::string const& name) {
  std::ifstream file(std::string(QFMT_TEST_DATA) + "/formats/" + name + ".txt");
  std::map<std::string, Numbers> lines;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key;
    words >> key >> std::hex;
    for (std::uint32_t x; words >> x;) lines[key].push_back(x);
  }
  return lines;
}

template <class T>
Numbers bits_of_all(T const* values, std::int64_t count) {
  Numbers bits;
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t one = 0;
    std::memcpy(&one, values + i, sizeof(T));
    bits.push_back(one);
  }
  return bits;
}

}  // namespace

TEST_CASE("every format: what numpy and ml_dtypes make of the same values", "[formats]") {
  for_each_format(Formats{}, [&]<class F>() {
    using S = Scheme<Format<F>>;
    auto expected = vectors_of(F::name);
    INFO(F::name);
    if (expected.empty()) {  // those that bitsandbytes' own files test
      CHECK((std::same_as<F, NF4> || std::same_as<F, FP4> || std::same_as<F, Int8> ||
             std::same_as<F, Dynamic8>));
      return;
    }
    std::vector<float> values;
    for (std::uint32_t const bits : expected["values"]) values.push_back(float_from_bits(bits));
    auto const n = static_cast<std::int64_t>(values.size());
    REQUIRE(n == 300);
    QuantizedTensor<S> tensor(n);
    REQUIRE(host::quantize(values, tensor.span()));
    auto const out = tensor.span();
    Numbers codes;
    for (std::int64_t i = 0; i < n; ++i) codes.push_back(code_at<S::bits>(out.codes, i));
    CHECK(codes == expected["codes"]);
    std::int64_t const blocks = block_count<S>(n);
    if constexpr (S::is_typed) {
      CHECK(bits_of_all(out.scales.scale, blocks) == expected["scales"]);
      if constexpr (S::has_tensor_scale)
        CHECK(bits_of_all(out.scales.tensor_scale, 1) == expected["tensor"]);
      if constexpr (S::has_zero_point)
        CHECK(bits_of_all(out.scales.zero_point, blocks) == expected["zeros"]);
    } else {
      CHECK(bits_of_all(out.scales.absmax, blocks) == expected["scales"]);
    }
    std::vector<float> decoded(values.size());
    REQUIRE(host::dequantize(out, decoded));
    CHECK(bits_of_all(decoded.data(), n) == expected["decoded"]);
  });
}
