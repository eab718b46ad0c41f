// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// SIGINT, SIGTERM and SIGHUP end the program between two tensors, by the ordinary way out.
#pragma once

#include <csignal>

#include "failure.hpp"

namespace app {

inline volatile std::sig_atomic_t interrupted = 0;
inline char const* interrupt_text = "interrupted";

/// `text`: what to tell the user about what was written.
inline void catch_interrupts(char const* text) {
  interrupt_text = text;
  for (int const signal : {SIGINT, SIGTERM, SIGHUP})
    if (std::signal(signal, [](int) { interrupted = 1; }) == SIG_IGN)
      std::signal(signal, SIG_IGN);  // nohup and background jobs ask for that
}

inline void check_interrupted() {
  if (interrupted != 0) throw Failure(exit_interrupted, interrupt_text);
}

}  // namespace app
