// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Quantized weights in memory, to be read as a file's would be, and to be broken.
#pragma once

#include "qfmt/io/bitsandbytes.hpp"

#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace io_test {

/// A TensorSource of strings of bytes. It checks nothing: what a file's reader refuses is tested
/// elsewhere.
class MemorySource {
 public:
  struct Entry {
    qfmt::io::TensorInfo info;
    std::string bytes;
  };

  std::map<std::string, Entry> tensors;

  void add(std::string const& name, qfmt::io::Dtype dtype, std::vector<std::int64_t> shape,
           std::string bytes) {
    auto const size = static_cast<std::int64_t>(bytes.size());
    tensors[name] = {{name, dtype, std::move(shape), 0, size}, std::move(bytes)};
  }
  Entry& at(std::string const& name) { return tensors.at(name); }

  void rename(std::string const& from, std::string const& to) {
    auto entry = tensors.at(from);
    tensors.erase(from);
    entry.info.name = to;
    tensors[to] = std::move(entry);
  }

  std::optional<qfmt::io::StoredTensor> locate(std::string_view name) const {
    auto const found = tensors.find(std::string(name));
    if (found == tensors.end()) return std::nullopt;
    return stored(found->second);
  }
  template <class Visitor>
  void visit(Visitor&& visitor) const {
    for (auto const& [name, entry] : tensors) visitor(stored(entry));
  }

 private:
  qfmt::io::StoredTensor stored(Entry const& entry) const {
    return {&entry.info, std::as_bytes(std::span(entry.bytes.data(), entry.bytes.size())), &file_};
  }
  std::string file_ = "memory";
};

/// Python's text of a state, written out by hand.
inline std::string state_text(std::string const& type, int block, std::string const& shape,
                              std::string const& rest = "") {
  return "{\"quant_type\": \"" + type + "\", \"blocksize\": " + std::to_string(block) +
         ", \"dtype\": \"bfloat16\", \"shape\": " + shape + rest + "}";
}

inline std::string const nested_text =
    ", \"nested_blocksize\": 256, \"nested_dtype\": \"float32\", \"nested_offset\": 0.5";

template <class T>
std::string bytes_of_array(T const* values, std::size_t count) {
  return {reinterpret_cast<char const*>(values), count * sizeof(T)};
}

/// A 4-bit weight of `count` values under `name`, sound in every respect.
inline void add_4bit(MemorySource& source, std::string const& name, std::string const& type,
                     bool nested, std::string const& shape, std::int64_t count, int block = 64) {
  using qfmt::io::Dtype;
  std::int64_t const blocks = (count + block - 1) / block, groups = (blocks + 255) / 256;
  source.add(name, Dtype::U8, {(count + 1) / 2, 1},
             std::string(static_cast<std::size_t>((count + 1) / 2), '\x77'));
  std::string const map =
      type == "fp4" ? bytes_of_array(qfmt::io::detail::stored_map<qfmt::FP4>().data(), 16)
                    : bytes_of_array(qfmt::io::detail::stored_map<qfmt::NF4>().data(), 16);
  source.add(name + ".quant_map", Dtype::F32, {16}, map);
  std::vector<float> const ones(static_cast<std::size_t>(blocks), 1.f);
  if (nested) {
    source.add(name + ".absmax", Dtype::U8, {blocks},
               std::string(static_cast<std::size_t>(blocks), '\x80'));
    source.add(name + ".nested_absmax", Dtype::F32, {groups},
               bytes_of_array(ones.data(), static_cast<std::size_t>(groups)));
    source.add(name + ".nested_quant_map", Dtype::F32, {256},
               bytes_of_array(qfmt::Dynamic8::codebook.level, 256));
  } else {
    source.add(name + ".absmax", Dtype::F32, {blocks},
               bytes_of_array(ones.data(), static_cast<std::size_t>(blocks)));
  }
  auto const text = state_text(type, block, shape, nested ? nested_text : "");
  source.add(name + ".quant_state.bitsandbytes__" + type, Dtype::U8,
             {static_cast<std::int64_t>(text.size())}, text);
}

/// An NVFP4 weight of (rows, 16 * blocks) values under `name`.
inline void add_nvfp4(MemorySource& source, std::string const& name, std::int64_t rows,
                      std::int64_t blocks) {
  using qfmt::io::Dtype;
  auto const count = static_cast<std::size_t>(rows * blocks);
  source.add(name, Dtype::U8, {rows, 8 * blocks}, std::string(8 * count, '\x21'));
  source.add(name + "_scale", Dtype::F8_E4M3, {rows, blocks}, std::string(count, '\x38'));
  source.add(name + "_scale_2", Dtype::F32, {}, std::string("\0\0\x80\x3f", 4));
}

/// An MXFP4 weight of (rows, 32 * blocks) values under `name`.
inline void add_mxfp4(MemorySource& source, std::string const& name, std::int64_t rows,
                      std::int64_t blocks) {
  using qfmt::io::Dtype;
  auto const count = static_cast<std::size_t>(rows * blocks);
  source.add(name + "_blocks", Dtype::U8, {rows, blocks, 16}, std::string(16 * count, '\x21'));
  source.add(name + "_scales", Dtype::U8, {rows, blocks}, std::string(count, '\x7f'));
}

/// An LLM.int8() weight under module `name`.
inline void add_int8(MemorySource& source, std::string const& name, std::int64_t rows,
                     std::int64_t cols) {
  using qfmt::io::Dtype;
  source.add(name + ".weight", Dtype::I8, {rows, cols},
             std::string(static_cast<std::size_t>(rows * cols), '\1'));
  source.add(name + ".SCB", Dtype::F32, {rows},
             std::string(static_cast<std::size_t>(rows * 4), '\0'));
  source.add(name + ".weight_format", Dtype::U8, {}, std::string(1, '\0'));
}

}  // namespace io_test
