// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The LLM.int8() product by the tensor cores of Hopper, for any number of rows of x. The transposed
// problem, y^T = w * x^T, with both operands in shared memory, brought by the copy engine.
#pragma once

#include "qfmt/ops/int8/output.cuh"
#include "qfmt/ptx/memory.cuh"
#include "qfmt/ptx/tensor_map.cuh"

namespace qfmt::inline v0 {
namespace int8 QFMT_HIDDEN {

/// Where the copy engine finds the codes.
struct TiledMaps {
  ptx::TensorMap w;  // (rows, cols)
  ptx::TensorMap x;  // (m, cols)
};

/// Where a tile of y begins.
struct TilePlace {
  int row;      // of the weights
  int first_m;  // row of x

  __device__ static TilePlace of(TiledShape const& shape, int index, int columns) {
    auto const at = gemm::tile_at(index, shape.row_tiles, shape.column_tiles, shape.band);
    return {at.row * tile_rows, at.column * columns};
  }
};

/// What a block has to do: tiles first, first + step, ..., of each the stages [begin, end).
struct Work {
  int first, step;
  int rank;  // in its cluster
  int begin, end;

  __device__ explicit Work(TiledShape const& shape)
      : first(static_cast<int>(blockIdx.x) / shape.cluster),
        step(static_cast<int>(gridDim.x) / shape.cluster),
        rank(static_cast<int>(blockIdx.x) % shape.cluster),
        begin(rank * shape.stages / shape.cluster),
        end((rank + 1) * shape.stages / shape.cluster) {}
};

/// Brings the codes of a block's tiles, as far ahead as the ring has room. One thread's. Weights
/// come before whatever kernel made x has ended.
class Producer {
 public:
  __device__ Producer(TiledMaps const& maps, TiledShape const& shape, Work const& work,
                      gemm::Ring const& ring)
      : maps_(maps), shape_(shape), work_(work), ring_(ring) {}

  /// Brings weights of the first tile, as many stages as there is room for.
  __device__ void begin(int columns) {
    int const stages = work_.end - work_.begin;
    early_ = work_.first >= shape_.tiles ? 0 : stages < ring_.count() ? stages : ring_.count();
    int const row = TilePlace::of(shape_, work_.first, columns).row;
    gemm::Turn turn;
    for (int i = 0; i < early_; ++i, turn.next(ring_.count())) bring_weights(turn, row, i);
  }

  /// Brings the rest.
  __device__ void run(int columns) {
    gemm::Turn turn;
    for (int index = work_.first; index < shape_.tiles; index += work_.step) {
      TilePlace const tile = TilePlace::of(shape_, index, columns);
      for (int i = 0; i < work_.end - work_.begin; ++i, turn.next(ring_.count())) {
        if (early_ > 0) {
          --early_;
        } else {
          bring_weights(turn, tile.row, i);
        }
        ptx::copy_tile(ring_.place(turn) + tile_rows * stage_cols, &maps_.x, tile.first_m,
                       (work_.begin + i) * stage_cols, ring_.filled(turn));
      }
    }
  }

 private:
  __device__ void bring_weights(gemm::Turn const& turn, int row, int i) const {
    uint8_t* const to = ring_.fill(turn);
    ptx::copy_tile(to, &maps_.w, row, (work_.begin + i) * stage_cols, ring_.filled(turn));
  }

  TiledMaps const& maps_;
  TiledShape const& shape_;
  Work const& work_;
  gemm::Ring const& ring_;
  int early_ = 0;
};

/// Brings the values of outlier columns, by all warps behind the first that does not multiply; that
/// one meets the others at the cluster's barriers alone.
///     lists: (gather_warps, most_listed)
template <int Columns, Element T>
__device__ void bring_outliers(Product<T> const& p, TiledShape const& shape, Work const& work,
                               Marks const& marks, ChunkPlace const& chunk, OutlierColumn* lists) {
  int const number = static_cast<int>(threadIdx.x / 32) - consumer_warps - 1;
  int const thread = number * 32 + warp::lane();
  bool const gathers = number >= 0 && work.rank == 0;
  OutlierColumn* const list = lists + (number < 0 ? 0 : number) * most_listed;
  gemm::Turn turn;
  for (int index = work.first; index < shape.tiles; index += work.step) {
    TilePlace const tile = TilePlace::of(shape, index, Columns);
    auto const bring = [&](int first, int end) {
      for (; first < end; first += chunk_columns<T>, turn.next(1)) {
        int const found = list_columns(marks, first, chunk_columns<T>, p.kept, list);
        uint8_t* const to = chunk.fill(turn);
        gather<Columns>(p, shape, tile.row, tile.first_m, list, found, thread, to);
        chunk.filled();
      }
    };
    // The second chunk finds room only behind the cluster's barriers.
    int const ahead = marks.columns < chunk_columns<T> ? marks.columns : chunk_columns<T>;
    if (gathers) bring(0, ahead);
    if (Columns <= most_shared_columns && shape.cluster > 1) meet_collection<Columns>();
    if (gathers) bring(ahead, marks.columns);
  }
}

/// The sums of products of codes of a warpgroup's 64 rows over this block's share of k, exact.
template <int Half>
__device__ void add_codes(Work const& work, int group, Marks const& marks, gemm::Ring const& ring,
                          gemm::Turn& turn, int32_t (&sums)[Half]) {
  gemm::Turn before = turn;  // the place whose products are under way
#pragma unroll
  for (int32_t& s : sums) s = 0;
  for (int stage = work.begin; stage < work.end; ++stage) {
    uint8_t* const place = ring.take(turn);
    uint8_t* const rows = place + group * 64 * stage_cols;
    if (marks.columns > 0) {
      uint4 const here = marks.of_stage(stage);
      if ((here.x | here.y | here.z | here.w) != 0) take_out(rows, here, group);
    }
    uint64_t const w = ptx::tile_descriptor(rows);
    uint64_t const x = ptx::tile_descriptor(place + tile_rows * stage_cols);
    ptx::wgmma_fence();
#pragma unroll
    for (int q = 0; q < stage_cols / 32; ++q)
      ptx::wgmma_m64k32(sums, w + static_cast<uint64_t>(2 * q), x + static_cast<uint64_t>(2 * q),
                        true);
    ptx::wgmma_commit();
    ptx::wgmma_wait<1>();
    if (stage > work.begin) ring.release(before);
    before = turn;
    turn.next(ring.count());
  }
  ptx::wgmma_wait<0>(sums);
  ring.release(before);
}

/// y = x * w^T + bias from quantized activations; shape says who does what.
template <Element T, int Columns>
__launch_bounds__(gemm::has_warpgroups ? tile_threads : 32, 1) __global__
    void tiled_kernel(__grid_constant__ Product<T> const p, __grid_constant__ TiledMaps const maps,
                      __grid_constant__ TiledShape const shape) {
  if constexpr (gemm::has_warpgroups) {
    uint8_t* const shared = ptx::dynamic_shared();
    auto* const barriers = reinterpret_cast<ptx::Barrier*>(shared + shape.barriers_at);
    auto* const marked = reinterpret_cast<uint32_t*>(shared + shape.marks_at);
    gemm::Ring const ring(shared, barriers, shape.stage);
    ChunkPlace const chunk(shared + shape.values_at, barriers + 2 * shape.stage.count);
    int const warp = __shfl_sync(~0u, static_cast<int>(threadIdx.x / 32), 0);
    Work const work(shape);
    Producer producer(maps, shape, work, ring);
    bool const produces = threadIdx.x == consumer_warps * 32;

    if (produces) {
      ring.init(consumer_warps);
      chunk.init();
      ptx::fence_barrier_init();
      producer.begin(Columns);
    }
    ptx::wait_for_dependencies();
    ptx::launch_dependents();
    Marks::copy(p.a.outliers, p.w.cols, shape.mark_words, marked);
    __syncthreads();

    if (warp >= consumer_warps) {
      ptx::lower_registers<88>();
      if (produces) producer.run(Columns);
      __syncwarp();
      auto* const lists = reinterpret_cast<OutlierColumn*>(shared + shape.lists_at);
      bring_outliers<Columns>(p, shape, work, Marks(marked, shape.mark_words), chunk, lists);
    } else {
      ptx::raise_registers<208>();
      Marks const marks(marked, shape.mark_words);
      gemm::Turn turn, chunk_turn;
      for (int index = work.first; index < shape.tiles; index += work.step) {
        int32_t sums[Columns / 2];
        add_codes(work, warp / 4, marks, ring, turn, sums);
        if (Columns <= most_shared_columns && shape.cluster > 1) {
          collect(reinterpret_cast<int32_t*>(shared + shape.scratch_at), work.rank, shape.cluster,
                  sums);
          if (work.rank != 0) continue;
        }
        TilePlace const tile = TilePlace::of(shape, index, Columns);
        finish<Columns>(p, shape, tile.row, tile.first_m, warp * 16, marks, chunk, chunk_turn,
                        shared + shape.scratch_at + warp * (scratch_bytes / consumer_warps), sums);
      }
    }
  }
}

}  // namespace int8
}  // namespace qfmt::inline v0
