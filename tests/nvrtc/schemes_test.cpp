// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// nvrtc_schemes_test OPTION...
// Every scheme (format x values per scale x nesting, and a format of one's own) with every element
// type, decoded and encoded in a kernel, to machine code for sm_80 and sm_90, from the single
// file's text alone. Then: the text and the headers give the same code. Needs no GPU.
#include <cstdio>
#include <future>
#include <string>
#include <vector>

#include "program.hpp"

namespace {

constexpr char library[] =
#include <qfmt_single.inc>
    ;

constexpr char kernels[] = R"(
#include <cuda_bf16.h>
#include <cuda_fp16.h>
struct AF4 {
  static constexpr auto name = "af4";
  static constexpr qfmt::Codebook codebook{-1.f, -.69f, -.51f, -.37f, -.26f, -.15f, -.05f, 0.f,
                                           .05f, .15f, .26f, .37f, .51f, .65f, .8f, 1.f};
};
using qfmt::NF4; using qfmt::FP4; using qfmt::Int8; using qfmt::Dynamic8; using qfmt::UnsignedDynamic8;
template <class F, int N, bool Nested>
using Blocks = qfmt::Scheme<qfmt::Format<F>, qfmt::BlockSize<N>, qfmt::DoubleQuant<Nested>>;
template <class F>
using Rows = qfmt::Scheme<qfmt::Format<F>, qfmt::RowWise>;
using float16 = qfmt::float16; using bfloat16 = qfmt::bfloat16;

/// Value i of the view, encoded anew under its own scale.
template <class S, class T>
__global__ void recode(qfmt::QuantizedSpan<S const> in, unsigned char* codes, T* out) {
  auto const i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= in.size) return;
  T const x = qfmt::from_float<T>(qfmt::decode_at(in, i));
  out[i] = x;
  codes[i] = qfmt::encode<typename S::format>(
      qfmt::to_float(x), qfmt::scale_at(in.scales, qfmt::block_of(in, i)));
}
)";

/// The headers that the text holds, included one by one in its order.
std::string headers() {
  std::string const text = library, mark = "\n#if !defined(QFMT_HAS_";
  std::string all;
  for (auto at = text.find(mark); at != text.npos; at = text.find(mark, at + 1)) {
    auto const name = text.rfind("// ", at) + 3;
    all += "#include <" + text.substr(name, at - name) + ">\n";
  }
  return all;
}

/// PTX without the digest of the source that names of internal linkage carry.
std::string without_digest(std::string ptx) {
  std::string const mark = "_test_cu_";
  for (auto at = ptx.find(mark); at != ptx.npos; at = ptx.find(mark, at + 1))
    ptx.replace(at + mark.size(), 8, "........");
  return ptx;
}

struct Format {
  std::string name;
  bool row_wise;
};

std::vector<std::string> instances(Format const& format) {
  std::vector<std::string> schemes, all;
  for (int size = 16; size <= 4096; size *= 2)
    for (char const* nested : {"false", "true"})
      schemes.push_back("Blocks<" + format.name + ", " + std::to_string(size) + ", " + nested +
                        ">");
  if (format.row_wise) schemes.push_back("Rows<" + format.name + ">");
  for (auto const& scheme : schemes)
    for (char const* element : {"float", "float16", "bfloat16", "__half", "__nv_bfloat16"})
      all.push_back("recode<" + scheme + ", " + element + ">");
  return all;
}

/// Kernels missing from the machine code of one format.
int missing(Format const& format, char const* architecture,
            std::vector<std::string> const& options) {
  auto const asked = instances(format);
  Program const built = compile(std::string(library) + kernels, architecture, options, asked);
  int absent = 0;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    bool const there = i < built.names.size() && !built.names[i].empty() &&
                       built.machine_code.find(built.names[i]) != std::string::npos;
    if (!there && ++absent < 5) std::printf("no %s for %s\n", asked[i].c_str(), architecture);
  }
  std::printf("%s for %s: %zu kernels, %d missing\n", format.name.c_str(), architecture,
              asked.size(), absent);
  return absent;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> const options(argv + 1, argv + argc);
  std::vector<Format> const formats{{"NF4", false}, {"FP4", false},     {"AF4", false},
                                    {"Int8", true}, {"Dynamic8", true}, {"UnsignedDynamic8", true}};
  auto const all_for = [&](char const* architecture) {
    int failed = 0;
    for (auto const& format : formats) failed += missing(format, architecture, options);
    return failed;
  };
  auto other = std::async(std::launch::async, all_for, "sm_80");
  int failed = all_for("sm_90");
  failed += other.get();

  // The single file is the headers: the same code of both, byte for byte.
  std::vector<std::string> const some{"recode<Blocks<NF4, 64, true>, __nv_bfloat16>",
                                      "recode<Rows<Int8>, float>"};
  Program const single = compile(std::string(library) + kernels, "compute_90", options, some);
  Program const tree = compile(headers() + kernels, "compute_90", options, some);
  bool const same = !single.ptx.empty() && without_digest(single.ptx) == without_digest(tree.ptx);
  std::printf("single file and headers: %zu bytes of PTX, %s\n", single.ptx.size(),
              same ? "the same" : "DIFFERENT");

  // The test can fail: a scheme that does not exist has no kernel.
  std::printf("planted, must be missing: ");
  bool const caught = compile(std::string(library) + kernels, "sm_80", options,
                              {"recode<Blocks<NF4, 48, false>, float>"})
                          .machine_code.empty();
  return failed == 0 && same && caught ? 0 : 1;
}
