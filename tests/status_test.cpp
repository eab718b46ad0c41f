// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/status.hpp"

#include <catch2/catch_test_macros.hpp>

#include <set>
#include <string>
#include <type_traits>
#include <vector>

namespace {

using namespace qfmt;

/// Every code that has a sentence; they are numbered without gaps.
std::vector<Errc> all_codes() {
  std::string const unknown = message(static_cast<Errc>(12345));
  std::vector<Errc> codes;
  for (int i = 0; message(static_cast<Errc>(i)) != unknown; ++i)
    codes.push_back(static_cast<Errc>(i));
  return codes;
}

}  // namespace

TEST_CASE("a status is true when it is ok, and only then", "[status]") {
  STATIC_CHECK(static_cast<bool>(Status{}));
  for (Errc const code : all_codes()) CHECK(static_cast<bool>(Status{code}) == (code == Errc::ok));
}

TEST_CASE("a fresh status names no value and no native error", "[status]") {
  STATIC_CHECK(Status{Errc::null_pointer}.index == -1);
  STATIC_CHECK(Status{Errc::null_pointer}.native == 0);
  STATIC_CHECK(std::is_trivially_copyable_v<Status>);
  STATIC_CHECK(std::is_aggregate_v<Status>);
  STATIC_CHECK(!std::is_convertible_v<Status, bool>);  // explicit: no arithmetic by accident
  STATIC_CHECK(!std::is_convertible_v<Status, int>);
}

TEST_CASE("each code has a sentence of its own", "[status]") {
  auto const codes = all_codes();
  CHECK(codes.size() > static_cast<std::size_t>(Errc::device_error));
  std::set<std::string> sentences;
  for (Errc const code : codes) sentences.insert(message(code));
  CHECK(sentences.size() == codes.size());
  CHECK(sentences.count("") == 0);
  CHECK(message(static_cast<Errc>(-1)) == std::string(message(static_cast<Errc>(12345))));
}
