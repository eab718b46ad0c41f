# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
#
# What Doxygen 1.9 does not read: the C++20 spelling of an inline namespace, and the house style's
# trailing comment of a member or argument, which gives its shape or unit.
s/qfmt::inline v0/qfmt/
s,\([;{\,] *\)// \([^ ]\),\1///< \2,
# A template's argument in a comment is no HTML.
/^ *\/\/\//s,fn\.template operator()<\([A-Z]\)>(),`&`,
/^ *\/\/\//s,\([^`A-Za-z_:]\)\([A-Za-z_]\+<[A-Z]>\)\([^`]\|$\),\1`\2`\3,g
s,``,`,g
# Members whose meaning is the same in every format and policy: format/concepts.hpp and
# scheme/policies.hpp say it once.
s,^  static constexpr auto name = .*;$,&  ///< What a SchemeDesc calls it.,
s,^  static constexpr int bits = [48];$,&  ///< Of a stored code.,
s,^  static constexpr float \(largest\|least\) = .*;$,&  ///< The \1 magnitude above 0.,
s,^  static constexpr \(int\|bool\) default_[a-z_]* = .*;$,&  ///< Where a scheme names none.,
s,^  using default_scale = .*;$,&  ///< Where a scheme names none.,
s,^  static constexpr \(auto\|bool\) checkpoint_[a-z_]* = .*;$,&  ///< How files spell it.,
s,^  static constexpr bool has_[a-z_]* = .*;$,&  ///< Whether there is one.,
s,^  using type = [A-Z];$,&  ///< What it stands for.,
s,^  static constexpr Codebook codebook{,/** The levels by code. */ &,
s,^  QFMT_HD static constexpr float decode(,/** The value of a code. */ &,
s,^  QFMT_HD static constexpr uint8_t encode(,/** The code of a value. */ &,
s,^  using policy_axis = .*;$,&  ///< The axis it sits on.,
s,^  static constexpr bool value = On;$,&  ///< Whether it is on.,
s,^  \(requires [A-Za-z<\, >]* \)\?QFMT_HD constexpr operator [A-Za-z]*<C>() const.*,/** To the read-only view. */ &,
