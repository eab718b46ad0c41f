# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
#
# What Doxygen 1.9 does not read: the C++20 spelling of an inline namespace, and the house style's
# trailing comment of a member or argument, which gives its shape or unit.
s/qfmt::inline v0/qfmt/
s,\([;{\,] *\)// \([^ ]\),\1///< \2,
