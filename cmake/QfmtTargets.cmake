# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0

# Flags of our own tests, benches and examples. Nothing here reaches a consumer.
function(qfmt_own_target target)
  target_link_libraries(${target} PRIVATE qfmt::qfmt)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra>)
  if(QFMT_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
  endif()
  if(CMAKE_CUDA_COMPILER_LOADED)
    qfmt_cuda_flags(${target})
  endif()
endfunction()

# CMake 3.25.1 knows no C++20 for nvcc: cuda_std_20 is a configure error there, the raw flag works.
function(qfmt_cuda_flags target)
  if("cuda_std_20" IN_LIST CMAKE_CUDA_COMPILE_FEATURES)
    target_compile_features(${target} PRIVATE cuda_std_20)
  else()
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>)
  endif()
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>)
  if(QFMT_WARNINGS_AS_ERRORS)
    target_compile_options(
      ${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Werror all-warnings -Xcompiler=-Werror>")
  endif()
endfunction()
