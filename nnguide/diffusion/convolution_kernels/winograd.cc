// 3 x 3 convolutions of float32 maps on a CPU, by Winograd's minimal filtering, with
// what comes before them in a U-Net: silu(maps * factor + summand), a group norm.
//
// F(4 x 4, 3 x 3): a tile of 4 x 4 answers comes from 6 x 6 inputs d and a filter g as
//
//     y = A^T [ (G g G^T) * (B^T d B) ] A,      "*" element by element,
//
// with 36 products instead of 144. Over channels, each of the 36 positions is a matrix
// product of tiles by filters. Both gradients are of the same kind: the inputs' is a
// convolution of the slopes with the filters turned by half a circle; the filters' is
//
//     dg = G^T [ sum over tiles of (B^T d B) * (A dy A^T) ] G.
//
// No transform of the maps goes to memory: they are normalized, transformed, multiplied
// and transformed back in blocks of tiles that stay in a core's cache.
//
// Sources: Winograd, "Arithmetic Complexity of Computations", 1980; Lavin and Gray,
// arXiv 1509.09308.

#include "maps.h"
#include "threads.h"

namespace ffi = xla::ffi;

namespace nnguide {
namespace {

constexpr int64_t kTiles = 32;  // whose transforms stay in a core's cache

// c = a b of one position: a group of tiles by `depth` channels, by one vector of
// filters. Steps of a are those between vectors of channels.
inline void Multiply(const float* a, int64_t step, const float* b, int64_t depth,
                     float* c) {
  Vector sums[kRows] = {};
  for (int64_t vector = 0; vector < depth; vector += kLanes, a += step)
    for (int64_t d = 0; d < kLanes; ++d, b += kLanes) {
      const Vector right = At(b);
      for (int r = 0; r < kRows; ++r) sums[r] += a[r * kLanes + d] * right;
    }
  for (int r = 0; r < kRows; ++r) At(c + r * kLanes) = sums[r];
}

// What a convolution of `maps` with (3, 3, C, F) filters leaves for each tile:
// finish(tile, channel, answers) for all tiles and vectors of channels.
template <typename Finish>
void Convolve(ffi::ThreadPool& pool, const Maps& maps, const float* inputs,
              Before before, const float* filters, int64_t outputs, bool turned,
              const Finish& finish) {
  Borrowed filter_memory;
  const int64_t wide = maps.channels;
  float* u = filter_memory.Of(kPositions * wide * outputs);
  constexpr int64_t kAtOnce = 16;
  InParallel(pool, wide / kAtOnce, [&](int64_t n) {
    for (int64_t input = n * kAtOnce; input < (n + 1) * kAtOnce; ++input)
      TransformFilters(filters, wide, outputs, turned, input, u);
  });
  const Blocks blocks(maps, kTiles);
  InParallel(pool, blocks.count(), [&](int64_t number) {
    static thread_local Memory padded_memory, v_memory;
    float* padded = padded_memory.Of(maps.padded());
    float* v = v_memory.Of(blocks.transforms(wide));
    const Block block = blocks[number];
    TransformInputs(maps, inputs, before, block, padded, v);
    const int64_t step = Place(block, kLanes, 0, 0);
    alignas(64) float products[kPositions * kRows * kLanes];
    for (int64_t k = 0; k < outputs; k += kLanes)
      for (int64_t group = 0; group < block.groups(); ++group) {
        for (int64_t n = 0; n < kPositions; ++n)
          Multiply(v + Place(block, 0, group, n), step,
                   u + (kPositions * k + n * kLanes) * wide, wide,
                   products + n * kRows * kLanes);
        const int64_t first = group * kRows;
        const int64_t rows = std::min(kRows, block.tiles - first);
        for (int64_t r = 0; r < rows; ++r) {
          Vector m[6][6], answers[4][4];
          for (int n = 0; n < kPositions; ++n)
            m[n / 6][n % 6] = At(products + (n * kRows + r) * kLanes);
          Square<6, 4, Answers>(m, answers);
          finish(TileAt(maps, block.first, first + r), k, answers);
        }
      }
  });
}

// --- What XLA calls ----------------------------------------------------------------

using Buffer4 = ffi::Buffer<ffi::F32, 4>;
using Buffer2 = ffi::Buffer<ffi::F32, 2>;
using Buffer1 = ffi::Buffer<ffi::F32, 1>;

Maps MapsOf(const Buffer4& buffer) {
  const auto sizes = buffer.dimensions();
  return {sizes[0], sizes[1], sizes[2], sizes[3]};
}

Before BeforeOf(const Buffer2& factor, const Buffer2& summand) {
  if (factor.element_count() == 0) return {nullptr, nullptr};
  return {factor.typed_data(), summand.typed_data()};
}

// y = convolution(silu(x * factor + summand)) + bias + beside, and the sums of each
// image's y and y^2 over its places.
ffi::Error RunForward(ffi::ThreadPool pool, Buffer4 x, Buffer2 factor,
                      Buffer2 summand, Buffer4 filters, Buffer1 bias, Buffer4 beside,
                      ffi::Result<Buffer4> y, ffi::Result<Buffer2> sums,
                      ffi::Result<Buffer2> squares) {
  const Maps maps = MapsOf(x);
  const int64_t outputs = filters.dimensions()[3];
  const float* bias_at = bias.typed_data();
  const float* beside_at = beside.element_count() ? beside.typed_data() : nullptr;
  float *y_at = y->typed_data(), *sums_at = sums->typed_data();
  float* squares_at = squares->typed_data();
  std::fill(sums_at, sums_at + sums->element_count(), 0.0f);
  std::fill(squares_at, squares_at + squares->element_count(), 0.0f);
  // An image's tiles belong to one thread, so its sums need no lock.
  Convolve(pool, maps, x.typed_data(), BeforeOf(factor, summand),
           filters.typed_data(), outputs, false,
           [&](const Tile& tile, int64_t k, const Vector answers[4][4]) {
             const Vector shift = At(bias_at + k);
             Vector sum{}, square{};
             for (int64_t r = 0; r < tile.height; ++r)
               for (int64_t c = 0; c < tile.width; ++c) {
                 const int64_t place = (tile.start + r * tile.row + c) * outputs + k;
                 Vector here = answers[r][c] + shift;
                 if (beside_at) here += At(beside_at + place);
                 At(y_at + place) = here;
                 sum += here;
                 square += here * here;
               }
             At(sums_at + tile.image * outputs + k) += sum;
             At(squares_at + tile.image * outputs + k) += square;
           });
  return ffi::Error::Success();
}

// The slopes of x, and of the factor and summand before the convolution.
ffi::Error RunInputs(ffi::ThreadPool pool, Buffer4 x, Buffer2 factor, Buffer2 summand,
                     Buffer4 filters, Buffer4 dy, ffi::Result<Buffer4> dx,
                     ffi::Result<Buffer2> dfactor, ffi::Result<Buffer2> dsummand) {
  const int64_t channels = MapsOf(x).channels;
  const Before before = BeforeOf(factor, summand);
  const float* x_at = x.typed_data();
  float *dx_at = dx->typed_data(), *dfactor_at = dfactor->typed_data();
  float* dsummand_at = dsummand->typed_data();
  std::fill(dfactor_at, dfactor_at + dfactor->element_count(), 0.0f);
  std::fill(dsummand_at, dsummand_at + dsummand->element_count(), 0.0f);
  Convolve(pool, MapsOf(dy), dy.typed_data(), {nullptr, nullptr},
           filters.typed_data(), channels, true,
           [&](const Tile& tile, int64_t k, const Vector answers[4][4]) {
             const int64_t vector = tile.image * channels + k;
             const bool normalized = before.factor;
             const Vector f = normalized ? At(before.factor + vector) : Vector{};
             const Vector s = normalized ? At(before.summand + vector) : Vector{};
             Vector f_sum{}, s_sum{};
             for (int64_t r = 0; r < tile.height; ++r)
               for (int64_t c = 0; c < tile.width; ++c) {
                 const int64_t place = (tile.start + r * tile.row + c) * channels + k;
                 Vector slope = answers[r][c];
                 if (normalized) {
                   const Vector here = At(x_at + place), z = here * f + s;
                   const Vector share = Sigmoid(z);
                   slope *= share * (1.0f + z * (1.0f - share));
                   f_sum += slope * here;
                   s_sum += slope;
                   slope *= f;
                 }
                 At(dx_at + place) = slope;
               }
             if (!normalized) return;
             At(dfactor_at + vector) += f_sum;
             At(dsummand_at + vector) += s_sum;
           });
  return ffi::Error::Success();
}

constexpr int64_t kInputs = std::min<int64_t>(8, kLanes);  // multiplied at once

// c += a^T b of one position: some inputs by one vector of outputs, over all groups of
// tiles; c's rows lie `outputs` apart.
inline void MultiplyTurned(const float* a, const float* b, int64_t groups, bool add,
                           int64_t outputs, float* c) {
  Vector sums[kInputs];
  for (int r = 0; r < kInputs; ++r) sums[r] = add ? At(c + r * outputs) : Vector{};
  constexpr int64_t step = kPositions * kRows * kLanes;
  for (int64_t group = 0; group < groups; ++group, a += step, b += step)
    for (int64_t tile = 0; tile < kRows; ++tile) {
      const Vector right = At(b + tile * kLanes);
      for (int r = 0; r < kInputs; ++r) sums[r] += a[tile * kLanes + r] * right;
    }
  for (int r = 0; r < kInputs; ++r) At(c + r * outputs) = sums[r];
}

// For some blocks: the sums over tiles of (B^T d B) * (A dy A^T), [position][input]
// [output], and after them the slopes' sums for each output.
void SumBlocks(const Blocks& blocks, int64_t first, int64_t last, const float* inputs,
               Before before, const Maps& out, const float* slopes, float* sums) {
  static thread_local Memory padded_memory, v_memory, m_memory;
  const int64_t wide = blocks.maps.channels, outputs = out.channels;
  const int64_t tap = wide * outputs;
  float* padded = padded_memory.Of(blocks.maps.padded());
  float* v = v_memory.Of(blocks.transforms(wide));
  float* m = m_memory.Of(blocks.transforms(outputs));
  float* bias = sums + kPositions * tap;
  std::fill(bias, bias + outputs, 0.0f);
  for (int64_t number = first; number < last; ++number) {
    const Block block = blocks[number];
    if (block.tiles % kRows) {  // what a group lacks must add nothing
      std::fill(v, v + blocks.transforms(wide), 0.0f);
      std::fill(m, m + blocks.transforms(outputs), 0.0f);
    }
    TransformInputs(blocks.maps, inputs, before, block, padded, v);
    TransformSlopes(out, slopes, block, m, bias);
    for (int64_t n = 0; n < kPositions; ++n)
      for (int64_t k = 0; k < outputs; k += kLanes)
        for (int64_t c = 0; c < wide; c += kInputs)
          MultiplyTurned(v + Place(block, c, 0, n) + c % kLanes,
                         m + Place(block, k, 0, n), block.groups(), number > first,
                         outputs, sums + n * tap + c * outputs + k);
  }
}

// The slopes of the filters and of the bias.
ffi::Error RunFilters(ffi::ThreadPool pool, Buffer4 x, Buffer2 factor, Buffer2 summand,
                      Buffer4 dy, ffi::Result<Buffer4> dfilters,
                      ffi::Result<Buffer1> dbias) {
  Borrowed sums_memory;
  const Maps maps = MapsOf(x), out = MapsOf(dy);
  const int64_t outputs = out.channels, tap = maps.channels * outputs;
  // Each part of the images has sums of its own, whoever works on it: the same numbers
  // every time.
  const Blocks blocks(maps, kTiles);
  const int64_t threads = std::max<int64_t>(1, pool.num_threads());
  const int64_t parts = std::min(blocks.count(), threads);
  const int64_t size = kPositions * tap + outputs;
  float* sums = sums_memory.Of(parts * size);
  InParallel(pool, parts, [&](int64_t part) {
    SumBlocks(blocks, part * blocks.count() / parts,
              (part + 1) * blocks.count() / parts, x.typed_data(),
              BeforeOf(factor, summand), out, dy.typed_data(), sums + part * size);
  });
  float* to = dfilters->typed_data();
  InParallel(pool, maps.channels, [&](int64_t input) {
    for (int64_t k = 0; k < outputs; k += kLanes) {
      const int64_t place = input * outputs + k;
      Vector u[6][6] = {}, g[3][3];
      for (int64_t part = 0; part < parts; ++part)
        for (int n = 0; n < kPositions; ++n)
          u[n / 6][n % 6] += At(sums + part * size + n * tap + place);
      Square<6, 3, FilterSlopes>(u, g);
      for (int n = 0; n < 9; ++n) At(to + n * tap + place) = g[n / 3][n % 3];
    }
  });
  float* bias = dbias->typed_data();
  std::fill(bias, bias + outputs, 0.0f);
  for (int64_t part = 0; part < parts; ++part)
    for (int64_t k = 0; k < outputs; ++k)
      bias[k] += sums[part * size + kPositions * tap + k];
  return ffi::Error::Success();
}

// What all three see: x, factor, summand, and the filters or the slopes.
auto Seen() {
  return ffi::Ffi::Bind()
      .Ctx<ffi::ThreadPool>()
      .Arg<Buffer4>()
      .Arg<Buffer2>()
      .Arg<Buffer2>()
      .Arg<Buffer4>();
}

}  // namespace
}  // namespace nnguide

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    nnguide_convolution, nnguide::RunForward,
    nnguide::Seen()
        .Arg<nnguide::Buffer1>()
        .Arg<nnguide::Buffer4>()
        .Ret<nnguide::Buffer4>()
        .Ret<nnguide::Buffer2>()
        .Ret<nnguide::Buffer2>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(nnguide_convolution_inputs, nnguide::RunInputs,
                              nnguide::Seen()
                                  .Arg<nnguide::Buffer4>()
                                  .Ret<nnguide::Buffer4>()
                                  .Ret<nnguide::Buffer2>()
                                  .Ret<nnguide::Buffer2>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    nnguide_convolution_filters, nnguide::RunFilters,
    nnguide::Seen().Ret<nnguide::Buffer4>().Ret<nnguide::Buffer1>());
