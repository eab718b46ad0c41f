// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// nvrtc_schemes_test [--all] OPTION...
// Every format of the library's list, and one of one's own, in schemes of every block size, nesting
// and scale type, decoded and encoded by a kernel: machine code for sm_80 and sm_90, from the
// single file's text alone. --all: each scheme with each element type; else each scheme with one,
// in turn, and the format's default scheme with each. Then: the text and the headers give the same
// code. Needs no GPU.
#include <qfmt/qfmt.hpp>

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
using namespace qfmt;

/// Value i of the view, encoded anew under its own scale.
template <class S, class T>
__global__ void recode(qfmt::QuantizedSpan<S const> in, unsigned char* codes, T* out) {
  auto const i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= in.size) return;
  T const x = qfmt::from_float<T>(qfmt::decode_at(in, i));
  out[i] = x;
  if constexpr (!S::has_zero_point)
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

struct Named {
  std::string name;  // as C++ spells the format
  bool takes_rows, takes_zero_point;
};

template <class F>
Named named() {
  std::string const here = __PRETTY_FUNCTION__;  // "... [with F = qfmt::v0::NF4; ...]", "[F = ...]"
  auto const begin = here.find("F = ") + 4;
  return {here.substr(begin, here.find_first_of(";]", begin) - begin), qfmt::bits_of<F> == 8,
          qfmt::ZeroPointFormat<F>};
}

std::vector<Named> formats() {
  std::vector<Named> all{{"AF4", false, false}};
  qfmt::for_each_format(qfmt::Formats{}, [&]<class F>() { all.push_back(named<F>()); });
  all.push_back(named<qfmt::UnsignedDynamic8>());
  return all;
}

/// Policies beside the format, of every scheme that takes it; scale types at three sizes if not
/// each.
std::vector<std::string> policies(Named const& format, bool each) {
  std::vector<std::string> scales;
  if (!format.takes_zero_point) scales = {", DoubleQuant<false>", ", DoubleQuant<true>"};
  for (std::string const type : {"E8M0", "E4M3", "float16", "bfloat16"}) {
    if (format.takes_zero_point && type[0] == 'E') continue;  // 16 bits only
    scales.push_back(", ScaleType<" + type + ">, TensorScale<false>");
    if (!format.takes_zero_point && type != "E8M0")
      scales.push_back(", ScaleType<" + type + ">, TensorScale<true>");
  }
  std::vector<std::string> all;
  for (int size = 16; size <= 4096; size *= 2)
    for (auto const& scale : scales)
      if (each || size == 16 || size == 128 || size == 4096 || scale.find("Type") == scale.npos)
        all.push_back(", BlockSize<" + std::to_string(size) + ">" + scale);
  if (format.takes_rows) all.push_back(", RowWise");
  return all;
}

std::vector<std::string> instances(Named const& format, bool each) {
  std::vector<std::string> const elements{"float", "float16", "bfloat16", "__half",
                                          "__nv_bfloat16"};
  std::vector<std::string> all;
  auto const add = [&](std::string const& rest, std::string const& element) {
    all.push_back("recode<Scheme<Format<" + format.name + ">" + rest + ">, " + element + ">");
  };
  for (auto const& element : elements) add("", element);
  std::size_t turn = 0;
  for (auto const& rest : policies(format, each)) {
    if (each)
      for (auto const& element : elements) add(rest, element);
    else
      add(rest, elements[turn++ % elements.size()]);
  }
  return all;
}

/// Kernels missing from the machine code of one format.
int missing(Named const& format, bool each, char const* architecture,
            std::vector<std::string> const& options) {
  auto const asked = instances(format, each);
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
  bool const each = argc > 1 && argv[1] == std::string("--all");
  std::vector<std::string> const options(argv + (each ? 2 : 1), argv + argc);
  auto const all_for = [&](char const* architecture) {
    int failed = 0;
    for (auto const& format : formats()) failed += missing(format, each, architecture, options);
    return failed;
  };
  auto other = std::async(std::launch::async, all_for, "sm_80");
  int failed = all_for("sm_90");
  failed += other.get();

  // The single file is the headers: the same code of both, byte for byte.
  std::vector<std::string> const some{
      "recode<Scheme<Format<NF4>, DoubleQuant<true>>, __nv_bfloat16>",
      "recode<Scheme<Format<Int8>, RowWise>, float>"};
  Program const single = compile(std::string(library) + kernels, "compute_90", options, some);
  Program const tree = compile(headers() + kernels, "compute_90", options, some);
  bool const same = !single.ptx.empty() && without_digest(single.ptx) == without_digest(tree.ptx);
  std::printf("single file and headers: %zu bytes of PTX, %s\n", single.ptx.size(),
              same ? "the same" : "DIFFERENT");

  // The test can fail: a scheme that does not exist has no kernel.
  std::printf("planted, must be missing: ");
  bool const caught = compile(std::string(library) + kernels, "sm_80", options,
                              {"recode<Scheme<Format<NF4>, BlockSize<48>>, float>"})
                          .machine_code.empty();
  return failed == 0 && same && caught ? 0 : 1;
}
