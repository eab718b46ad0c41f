// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one home of the version: CMake, the package files and the release script read it from here.
#define QFMT_VERSION_MAJOR 0
#define QFMT_VERSION_MINOR 1
#define QFMT_VERSION_PATCH 0

/// major * 10000 + minor * 100 + patch; compare with `#if QFMT_VERSION >= 10203`.
#define QFMT_VERSION (QFMT_VERSION_MAJOR * 10000 + QFMT_VERSION_MINOR * 100 + QFMT_VERSION_PATCH)
