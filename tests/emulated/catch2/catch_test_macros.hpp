// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// As much of Catch2 as tests/host/simd*_test.cpp use, for machines that are emulated and have no
// Catch2 of their own. The first failure ends the program.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace emulated {

struct Case {
  char const* name;
  char const* tags;
  void (*run)();
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

template <class...>
struct Types {};

template <template <class> class Body, class... Ts>
int add(char const* name, char const* tags, Types<Ts...>) {
  (cases().push_back({name, tags, Body<Ts>::run}), ...);
  return 0;
}
inline int add(char const* name, char const* tags, void (*run)()) {
  cases().push_back({name, tags, run});
  return 0;
}

inline long checked = 0;

inline void check(bool holds, char const* file, int line, char const* text) {
  ++checked;
  if (holds) return;
  std::printf("%s:%d: failed: %s\n", file, line, text);
  std::exit(1);
}

template <class... Ts>
void ignore(Ts const&...) {}

}  // namespace emulated

#define QFMT_JOIN_(a, b) a##b
#define QFMT_JOIN(a, b) QFMT_JOIN_(a, b)
#define TEST_CASE(name, tags)                                \
  static void QFMT_JOIN(case_, __LINE__)();                  \
  static int const QFMT_JOIN(added_, __LINE__) =             \
      emulated::add(name, tags, QFMT_JOIN(case_, __LINE__)); \
  static void QFMT_JOIN(case_, __LINE__)()
#define TEMPLATE_TEST_CASE(name, tags, ...)                                                 \
  template <class TestType>                                                                 \
  struct QFMT_JOIN(Case, __LINE__) {                                                        \
    static void run();                                                                      \
  };                                                                                        \
  static int const QFMT_JOIN(added_, __LINE__) =                                            \
      emulated::add<QFMT_JOIN(Case, __LINE__)>(name, tags, emulated::Types<__VA_ARGS__>{}); \
  template <class TestType>                                                                 \
  void QFMT_JOIN(Case, __LINE__)<TestType>::run()
#define REQUIRE(...) \
  emulated::check(static_cast<bool>(__VA_ARGS__), __FILE__, __LINE__, #__VA_ARGS__)
#define CHECK(...) REQUIRE(__VA_ARGS__)
#define CHECK_FALSE(...) REQUIRE(!(__VA_ARGS__))
#define STATIC_REQUIRE(...) static_assert(__VA_ARGS__)
#define CAPTURE(...) emulated::ignore(__VA_ARGS__)
