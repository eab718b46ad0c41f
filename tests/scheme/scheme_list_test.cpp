// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/scheme/scheme_list.hpp"

#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>

namespace {

using namespace qfmt;

using Plain = Scheme<Format<NF4>>;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
using Coarse = Scheme<Format<FP4>, BlockSize<4096>>;
using Rows = Scheme<Format<Int8>, RowWise>;
using Blocks = Scheme<Format<Int8>>;
using Served = SchemeList<Plain, Nested, Coarse, Rows, Blocks>;

/// Which scheme of `Served` was chosen.
struct Recorder {
  SchemeDesc* seen;
  int* calls;

  template <SchemeSpec S>
  Status operator()() const {
    *seen = desc_of<S>;
    ++*calls;
    return {};
  }
};

/// Can be neither copied nor moved.
struct BitCounter {
  int bits = 0;

  BitCounter() = default;
  BitCounter(BitCounter const&) = delete;

  template <SchemeSpec S>
  Status operator()() {
    bits += S::bits;
    return {};
  }
};

struct Outcome {
  Status status;
  SchemeDesc seen{};
  int calls = 0;
};

Outcome choose(SchemeDesc desc) {
  Outcome o;
  o.status = dispatch(Served{}, desc, Recorder{&o.seen, &o.calls});
  return o;
}

}  // namespace

TEST_CASE("a description says what a checkpoint's metadata says", "[scheme]") {
  STATIC_CHECK(desc_of<Plain> == SchemeDesc{"nf4", 64, false, false});
  STATIC_CHECK(desc_of<Nested> == SchemeDesc{"nf4", 64, false, true});
  STATIC_CHECK(desc_of<Coarse> == SchemeDesc{"fp4", 4096, false, false});
  STATIC_CHECK(desc_of<Rows> == SchemeDesc{"int8", 0, true, false});
  STATIC_CHECK(desc_of<Blocks> == SchemeDesc{"int8", 64, false, false});
  STATIC_CHECK(SchemeDesc{.format = "nf4"} == desc_of<Plain>);
  STATIC_CHECK(desc_of<Plain> != desc_of<Nested>);
}

TEST_CASE("dispatch calls for the scheme that is described, once", "[scheme]") {
  for (SchemeDesc const& desc :
       {desc_of<Plain>, desc_of<Nested>, desc_of<Coarse>, desc_of<Rows>, desc_of<Blocks>}) {
    auto const outcome = choose(desc);
    CHECK(outcome.status);
    CHECK(outcome.calls == 1);
    CHECK(outcome.seen == desc);
  }
}

TEST_CASE("dispatch compares text, not pointers", "[scheme]") {
  std::string const name = std::string("n") + "f4";
  CHECK(choose({.format = name}).seen == desc_of<Plain>);
}

TEST_CASE("what the list does not hold is unsupported, and nothing is called", "[scheme]") {
  for (SchemeDesc const& desc :
       {SchemeDesc{"nf4", 128}, SchemeDesc{"fp4", 64}, SchemeDesc{"", 64}, SchemeDesc{"NF4", 64},
        SchemeDesc{"int8", 0}, SchemeDesc{"int8", 64, true, true},
        SchemeDesc{"int8", 0, true, true}, SchemeDesc{"fp4", 4096, false, true},
        SchemeDesc{"nf4", -1}, SchemeDesc{}}) {
    auto const outcome = choose(desc);
    INFO(desc.format << " " << desc.block_size);
    CHECK_FALSE(outcome.status);
    CHECK(outcome.status.code == Errc::unsupported_scheme);
    CHECK(outcome.status.index == -1);
    CHECK(outcome.calls == 0);
  }
}

TEST_CASE("dispatch returns what the call returned, unchanged", "[scheme]") {
  auto const status = dispatch(Served{}, desc_of<Rows>, [&]<SchemeSpec S>() {
    return Status{S::is_row_wise ? Errc::non_finite : Errc::ok, 42, 7};
  });
  CHECK(status.code == Errc::non_finite);
  CHECK(status.index == 42);
  CHECK(status.native == 7);
}

TEST_CASE("the first of equal schemes is called, and only it", "[scheme]") {
  int calls = 0;
  auto const status = dispatch(SchemeList<Plain, Plain>{}, desc_of<Plain>, [&]<SchemeSpec>() {
    ++calls;
    return Status{};
  });
  CHECK(status);
  CHECK(calls == 1);
}

TEST_CASE("dispatch neither copies nor moves what it calls", "[scheme]") {
  BitCounter counter;
  CHECK(dispatch(Served{}, desc_of<Nested>, counter));
  CHECK(dispatch(Served{}, desc_of<Rows>, counter));
  CHECK(counter.bits == 12);
}

TEST_CASE("an empty list serves nothing", "[scheme]") {
  int calls = 0;
  auto const status = dispatch(SchemeList<>{}, desc_of<Plain>, [&]<SchemeSpec>() {
    ++calls;
    return Status{};
  });
  CHECK(status.code == Errc::unsupported_scheme);
  CHECK(calls == 0);
}

TEST_CASE("a row-wise description needs no block size", "[scheme]") {
  using Rows = Scheme<Format<Int8>, RowWise>;
  auto const served = dispatch(SchemeList<Rows>{}, {.format = "int8", .row_wise = true},
                               [&]<SchemeSpec>() { return Status{}; });
  CHECK(served);
  auto const blocks = dispatch(SchemeList<Rows>{}, {.format = "int8", .block_size = 0},
                               [&]<SchemeSpec>() { return Status{}; });
  CHECK(blocks.code == Errc::unsupported_scheme);
}
