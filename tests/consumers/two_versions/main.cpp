// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

extern "C" char const* old_word();
extern "C" char const* new_word();
extern "C" float old_sum();
extern "C" float new_sum();

int main() { std::printf("%s %g, %s %g\n", old_word(), old_sum(), new_word(), new_sum()); }
