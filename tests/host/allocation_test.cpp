// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Span calls allocate nothing. This file replaces operator new for the whole executable; it counts
// only on a thread, and only while, that thread holds a Counting.
#include <catch2/catch_test_macros.hpp>

#include <cstdlib>
#include <new>

#include "host/data.hpp"

namespace {

thread_local bool counting = false;
thread_local int allocations = 0;

void* allocate(std::size_t size, std::size_t alignment) {
  if (counting) ++allocations;
  std::size_t const whole = (size + alignment) / alignment * alignment;
  return std::aligned_alloc(alignment, whole);
}

void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  if (void* const p = allocate(size, alignment)) return p;
  throw std::bad_alloc();
}

constexpr std::size_t usual = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

}  // namespace

void* operator new(std::size_t n) { return allocate_or_throw(n, usual); }
void* operator new[](std::size_t n) { return allocate_or_throw(n, usual); }
void* operator new(std::size_t n, std::nothrow_t const&) noexcept { return allocate(n, usual); }
void* operator new[](std::size_t n, std::nothrow_t const&) noexcept { return allocate(n, usual); }
void* operator new(std::size_t n, std::align_val_t a) {
  return allocate_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a) {
  return allocate_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new(std::size_t n, std::align_val_t a, std::nothrow_t const&) noexcept {
  return allocate(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a, std::nothrow_t const&) noexcept {
  return allocate(n, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::nothrow_t const&) noexcept { std::free(p); }
void operator delete[](void* p, std::nothrow_t const&) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t, std::nothrow_t const&) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t, std::nothrow_t const&) noexcept { std::free(p); }

namespace {

using namespace host_test;
using qfmt::BlockSize, qfmt::DoubleQuant, qfmt::Dynamic8, qfmt::Errc, qfmt::Format, qfmt::FP4,
    qfmt::Int8, qfmt::NF4, qfmt::RowWise, qfmt::Scheme, qfmt::Status;
using qfmt::host::BlockRange, qfmt::host::Serial;

class Counting {
 public:
  Counting() {
    allocations = 0;
    counting = true;
  }
  ~Counting() { counting = false; }
  Counting(Counting const&) = delete;
  Counting& operator=(Counting const&) = delete;
};

/// Runs fn and returns its Errc; `count` is set to the allocations on this thread meanwhile.
template <class Fn>
Errc counted(int& count, Fn const& fn) {
  Errc code{};
  {
    Counting const scope;
    code = fn().code;
  }
  count = allocations;
  return code;
}

template <class S, class T>
void check_no_allocation(int64_t row_length = 0) {
  int64_t const size = 300 * 1000;
  auto const values = make_values<T>(Shape::normal, kind_of<typename S::format>, size, 1);
  auto bad_values = values;
  bad_values[299999] = nearest<T>(std::numeric_limits<float>::infinity());
  Buffers<S> out(size, row_length);
  auto const view = out.view();
  std::vector<T> decoded(values.size());
  std::vector<float> absmax(static_cast<size_t>(size / 16));
  qfmt::Workspace const workspace{absmax.data(),
                                  static_cast<int64_t>(absmax.size() * sizeof(float))};
  qfmt::QuantizeOptions propagate;
  propagate.propagate_non_finite = true;
  BlockRange const range{0, 256};
  CAPTURE(S::block_size, S::is_nested, type_of<T>);

  int count = -1;
  auto const check = [&](Errc expected, auto const& fn) {
    Errc const code = counted(count, fn);
    CHECK(code == expected);
    CHECK(count == 0);
  };
  namespace host = qfmt::host;
  check(Errc::ok, [&] { return host::quantize(values, view); });
  check(Errc::ok, [&] { return host::quantize(values, view, qfmt::Nearest{}, {}, workspace); });
  check(Errc::ok, [&] { return host::quantize_parallel(Serial{}, values, view); });
  check(Errc::ok, [&] { return host::quantize(bad_values, view, qfmt::Nearest{}, propagate); });
  check(Errc::non_finite, [&] { return host::quantize(bad_values, view); });
  check(Errc::ok, [&] { return host::dequantize(view, decoded); });
  check(Errc::ok, [&] { return host::dequantize_range(view, decoded, range); });
  check(Errc::ok, [&] { return host::dequantize_parallel(Serial{}, view, decoded); });
  if constexpr (S::is_nested) {
    absmax.resize(out.inner_codes.size());
    std::span<float const> const scales = absmax;
    check(Errc::ok, [&] { return host::absmax_range(values, std::span(absmax), view, range); });
    check(Errc::ok, [&] { return host::nested_offset(scales, view); });
    check(Errc::ok, [&] { return host::encode_range(values, scales, view, range); });
  } else {
    check(Errc::ok, [&] { return host::quantize_range(values, view, range); });
  }
}

}  // namespace

TEST_CASE("The allocation counter counts", "[host][allocation]") {
  int count = -1;
  REQUIRE(counted(count, [] {
            ::operator delete(::operator new(8));
            ::operator delete[](::operator new[](8));
            ::operator delete (::operator new (8, std::align_val_t{64}), std::align_val_t{64});
            ::operator delete(::operator new(8, std::nothrow));
            return Status{};
          }) == Errc::ok);
  REQUIRE(count == 4);
  REQUIRE(counted(count, [] { return Status{}; }) == Errc::ok);
  REQUIRE(count == 0);
}

TEST_CASE("Span calls do not allocate", "[host][allocation]") {
  check_no_allocation<Scheme<Format<NF4>>, float>();
  check_no_allocation<Scheme<Format<NF4>, BlockSize<16>>, qfmt::float16>();
  check_no_allocation<Scheme<Format<FP4>, BlockSize<128>>, qfmt::bfloat16>();
  check_no_allocation<Scheme<Format<Int8>, BlockSize<1024>>, float>();
  check_no_allocation<Scheme<Format<Dynamic8>, BlockSize<256>>, float>();
  check_no_allocation<Scheme<Format<Int8>, RowWise>, qfmt::float16>(1000);
  check_no_allocation<Scheme<Format<NF4>, DoubleQuant<true>>, float>();
  check_no_allocation<Scheme<Format<FP4>, BlockSize<16>, DoubleQuant<true>>, qfmt::bfloat16>();
  check_no_allocation<Scheme<Format<Int8>, BlockSize<512>, DoubleQuant<true>>, qfmt::float16>();
}
