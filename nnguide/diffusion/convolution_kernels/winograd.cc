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
// Nothing but the answer goes to memory: maps are normalized, transformed, multiplied
// and transformed back in blocks of tiles that stay in a core's cache.
//
// Sources: Winograd, "Arithmetic Complexity of Computations", 1980; Lavin and Gray,
// arXiv 1509.09308, whose matrices these are (points 0, 1, -1, 2, -2, infinity).

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

constexpr int64_t kLanes = 16;      // floats in a vector
constexpr int64_t kTile = 4;        // side of a tile of answers
constexpr int64_t kWindow = 6;      // side of the inputs that a tile needs
constexpr int64_t kPositions = 36;  // products a tile and channel
constexpr int64_t kBlock = 48;      // tiles whose transforms stay in a core's cache

// GCC and Clang make one AVX-512 register of it, or several smaller ones.
typedef float Vector __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t Integers __attribute__((vector_size(64)));

inline Vector& At(float* place) { return *reinterpret_cast<Vector*>(place); }
inline Vector At(const float* place) {
  return *reinterpret_cast<const Vector*>(place);
}

// --- Threads ---------------------------------------------------------------------

// Calls work(number) for each number below `count` on the threads of XLA's pool and on
// this one. Who is free takes the next number, so that a pool that is busy with other
// things delays nothing.
void InParallel(ffi::ThreadPool& pool, int64_t count,
                const std::function<void(int64_t)>& work) {
  struct Shared {
    std::atomic<int64_t> next{0}, done{0};
  };
  auto shared = std::make_shared<Shared>();
  // A thread that comes late finds no number left, and never touches `work`, which is
  // gone by then.
  const auto run = [shared, count, &work] {
    for (int64_t n; (n = shared->next.fetch_add(1)) < count;) {
      work(n);
      shared->done.fetch_add(1, std::memory_order_release);
    }
  };
  const int64_t helpers = std::min(pool.num_threads(), count) - 1;
  for (int64_t n = 0; n < helpers; ++n) pool.Schedule(std::function<void()>(run));
  run();
  while (shared->done.load(std::memory_order_acquire) < count) {
    std::this_thread::yield();
  }
}

// Memory of a thread, kept from call to call.
float* Kept(std::vector<float>& memory, int64_t size) {
  if (static_cast<int64_t>(memory.size()) < size) memory.resize(size);
  return memory.data();
}

// --- Winograd's transforms, one dimension at a time ---------------------------------

// B^T d.
inline void Inputs(const Vector d[6], Vector v[6]) {
  const Vector even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1];
  const Vector near = d[4] - d[2], far = 2 * (d[3] - d[1]);
  v[0] = 4 * d[0] - 5 * d[2] + d[4];
  v[1] = even + odd;
  v[2] = even - odd;
  v[3] = near + far;
  v[4] = near - far;
  v[5] = 4 * d[1] - 5 * d[3] + d[5];
}

// A^T m.
inline void Answers(const Vector m[6], Vector y[4]) {
  const Vector near = m[1] + m[2], far = m[3] + m[4];
  const Vector near_odd = m[1] - m[2], far_odd = m[3] - m[4];
  y[0] = m[0] + near + far;
  y[1] = near_odd + 2 * far_odd;
  y[2] = near + 4 * far;
  y[3] = near_odd + 8 * far_odd + m[5];
}

// A y.
inline void Slopes(const Vector y[4], Vector m[6]) {
  const Vector even = y[0] + y[2], odd = y[1] + y[3];
  const Vector far_even = y[0] + 4 * y[2], far_odd = 2 * y[1] + 8 * y[3];
  m[0] = y[0];
  m[1] = even + odd;
  m[2] = even - odd;
  m[3] = far_even + far_odd;
  m[4] = far_even - far_odd;
  m[5] = y[3];
}

// G g.
inline void Filters(const Vector g[3], Vector u[6]) {
  const Vector even = (g[0] + g[2]) / 6, odd = g[1] / 6;
  const Vector far_even = g[0] / 24 + g[2] / 6, far_odd = g[1] / 12;
  u[0] = g[0] / 4;
  u[1] = -even - odd;
  u[2] = odd - even;
  u[3] = far_even + far_odd;
  u[4] = far_even - far_odd;
  u[5] = g[2];
}

// G^T u.
inline void FilterSlopes(const Vector u[6], Vector g[3]) {
  const Vector near = (u[1] + u[2]) / 6, far = u[3] + u[4];
  g[0] = u[0] / 4 - near + far / 24;
  g[1] = (u[2] - u[1]) / 6 + (u[3] - u[4]) / 12;
  g[2] = far / 6 - near + u[5];
}

// Both dimensions: From x From values become To x To.
template <int From, int To, void (*One)(const Vector*, Vector*)>
inline void Square(const Vector in[From][From], Vector out[To][To]) {
  Vector half[From][To];
  for (int row = 0; row < From; ++row) One(in[row], half[row]);
  for (int column = 0; column < To; ++column) {
    Vector along[From], turned[To];
    for (int row = 0; row < From; ++row) along[row] = half[row][column];
    One(along, turned);
    for (int row = 0; row < To; ++row) out[row][column] = turned[row];
  }
}

// --- Matrix products of what is in the cache ---------------------------------------

// A matrix by the steps between its rows and columns.
struct Left {
  const float* start;
  int64_t row, column;
};

template <int Rows, int Vectors>
inline void Panel(Left a, const float* b, int64_t b_row, float* c, int64_t c_row,
                  int64_t depth, bool add) {
  Vector sums[Rows][Vectors];
  for (int r = 0; r < Rows; ++r)
    for (int v = 0; v < Vectors; ++v)
      sums[r][v] = add ? At(c + r * c_row + v * kLanes) : Vector{};
  for (int64_t d = 0; d < depth; ++d) {
    Vector right[Vectors];
    for (int v = 0; v < Vectors; ++v) right[v] = At(b + d * b_row + v * kLanes);
    for (int r = 0; r < Rows; ++r) {
      const float left = a.start[r * a.row + d * a.column];
      for (int v = 0; v < Vectors; ++v) sums[r][v] += left * right[v];
    }
  }
  for (int r = 0; r < Rows; ++r)
    for (int v = 0; v < Vectors; ++v) At(c + r * c_row + v * kLanes) = sums[r][v];
}

template <int Vectors>
inline void Columns(Left a, const float* b, int64_t b_row, float* c, int64_t c_row,
                    int64_t rows, int64_t depth, bool add) {
  int64_t r = 0;
  auto left = [&] { return Left{a.start + r * a.row, a.row, a.column}; };
  for (; r + 12 <= rows; r += 12)
    Panel<12, Vectors>(left(), b, b_row, c + r * c_row, c_row, depth, add);
  for (; r + 4 <= rows; r += 4)
    Panel<4, Vectors>(left(), b, b_row, c + r * c_row, c_row, depth, add);
  for (; r < rows; ++r)
    Panel<1, Vectors>(left(), b, b_row, c + r * c_row, c_row, depth, add);
}

// c = a b, or c += a b: (rows, depth) by (depth, columns), columns whole vectors.
void Product(Left a, const float* b, float* c, int64_t rows, int64_t columns,
             int64_t depth, bool add) {
  int64_t k = 0;
  for (; k + 2 * kLanes <= columns; k += 2 * kLanes)
    Columns<2>(a, b + k, columns, c + k, columns, rows, depth, add);
  for (; k < columns; k += kLanes)
    Columns<1>(a, b + k, columns, c + k, columns, rows, depth, add);
}

// --- Maps ------------------------------------------------------------------------

// e^x to 2e-7 of itself; 2^whole times a polynomial in the rest.
inline Vector Exponential(Vector x) {
  const Vector most = Vector{} + 88.0f, least = Vector{} - 87.0f;
  x = x > most ? most : x;
  x = x < least ? least : x;
  const Vector scaled = x * 1.44269504f;
  const Vector magic = Vector{} + 12582912.0f;  // its last bit is worth 1
  const Vector shifted = scaled + magic;
  const Vector rest = (scaled - (shifted - magic));
  Vector p = rest * 1.53533619e-4f + 1.33988744e-3f;
  p = p * rest + 9.61843736e-3f;
  p = p * rest + 5.55032880e-2f;
  p = p * rest + 2.40226489e-1f;
  p = p * rest + 6.93147182e-1f;
  p = p * rest + 1.0f;
  const Integers whole = (Integers)shifted << 23;
  return (Vector)((Integers)p + whole);
}

struct Maps {
  int64_t images, height, width, channels;
  int64_t tiles_down() const { return (height + kTile - 1) / kTile; }
  int64_t tiles_across() const { return (width + kTile - 1) / kTile; }
  int64_t tiles() const { return tiles_down() * tiles_across(); }
  int64_t image() const { return height * width * channels; }
  // Images whose tiles make about one block.
  int64_t together() const { return std::max<int64_t>(1, kBlock / tiles()); }
  int64_t blocks() const { return (images + together() - 1) / together(); }
  // Of a block: floats of a padded image, and between two positions (no power of two:
  // positions would share the cache's lines).
  int64_t padded_row() const { return (tiles_across() * kTile + 2) * channels; }
  int64_t padded() const { return (tiles_down() * kTile + 2) * padded_row(); }
  int64_t position() const { return together() * tiles() * channels + kLanes; }
};

// Where a tile of answers lies, and how much of it lies within the maps.
struct Tile {
  int64_t image, start, row;  // of its first place, and between rows, in places
  int64_t height, width;
};

// The tile `number` of those of the images from `first` on.
Tile TileAt(const Maps& maps, int64_t first, int64_t number) {
  const int64_t image = first + number / maps.tiles(), here = number % maps.tiles();
  const int64_t top = here / maps.tiles_across() * kTile;
  const int64_t side = here % maps.tiles_across() * kTile;
  return {image, (image * maps.height + top) * maps.width + side, maps.width,
          std::min(kTile, maps.height - top), std::min(kTile, maps.width - side)};
}

// What comes before the convolution: nothing, or silu(maps * factor + summand).
struct Before {
  const float* factor;  // (images, channels), or null
  const float* summand;
};

// One image in a rim of zeros, after what comes before.
void Pad(const Maps& maps, const float* image, const float* factor,
         const float* summand, float* padded) {
  const int64_t row = maps.padded_row(), channels = maps.channels;
  std::fill(padded, padded + maps.padded(), 0.0f);
  for (int64_t y = 0; y < maps.height; ++y) {
    const float* from = image + y * maps.width * channels;
    float* to = padded + (y + 1) * row + channels;
    if (!factor) {
      std::copy(from, from + maps.width * channels, to);
      continue;
    }
    for (int64_t c = 0; c < channels; c += kLanes) {
      const Vector f = At(factor + c), s = At(summand + c);
      for (int64_t x = 0; x < maps.width; ++x) {
        const Vector z = At(from + x * channels + c) * f + s;
        At(to + x * channels + c) = z / (1.0f + Exponential(-z));
      }
    }
  }
}

// B^T d B of all tiles of a padded image: to v[position][tile][channel].
void TransformInputs(const Maps& maps, const float* padded, float* v) {
  const int64_t row = maps.padded_row(), channels = maps.channels;
  int64_t tile = 0;
  for (int64_t down = 0; down < maps.tiles_down(); ++down)
    for (int64_t across = 0; across < maps.tiles_across(); ++across, ++tile) {
      const float* corner = padded + kTile * (down * row + across * channels);
      for (int64_t c = 0; c < channels; c += kLanes) {
        Vector d[6][6], out[6][6];
        for (int y = 0; y < 6; ++y)
          for (int x = 0; x < 6; ++x)
            d[y][x] = At(corner + y * row + x * channels + c);
        Square<6, 6, Inputs>(d, out);
        for (int n = 0; n < kPositions; ++n)
          At(v + n * maps.position() + tile * channels + c) = out[n / 6][n % 6];
      }
    }
}

// B^T d B of the images `first` to `last`, side by side.
void PrepareInputs(const Maps& maps, const float* all, Before before, int64_t first,
                   int64_t last, float* padded, float* v) {
  for (int64_t image = first; image < last; ++image) {
    const int64_t vector = image * maps.channels;
    Pad(maps, all + image * maps.image(),
        before.factor ? before.factor + vector : nullptr,
        before.factor ? before.summand + vector : nullptr, padded);
    TransformInputs(maps, padded,
                    v + (image - first) * maps.tiles() * maps.channels);
  }
}

// A dy A^T of the tiles of the images from `first` on: to m[position][tile][channel];
// their sums are added to those in `bias`.
void TransformSlopes(const Maps& out, const float* slopes, int64_t first,
                     int64_t tiles, float* m, float* bias) {
  for (int64_t number = 0; number < tiles; ++number) {
    const Tile tile = TileAt(out, first, number);
    for (int64_t k = 0; k < out.channels; k += kLanes) {
      Vector y[4][4] = {}, spread[6][6], sum{};
      for (int64_t r = 0; r < tile.height; ++r)
        for (int64_t c = 0; c < tile.width; ++c) {
          y[r][c] = At(slopes + (tile.start + r * tile.row + c) * out.channels + k);
          sum += y[r][c];
        }
      At(bias + k) += sum;
      Square<4, 6, Slopes>(y, spread);
      for (int n = 0; n < kPositions; ++n)
        At(m + n * out.position() + number * out.channels + k) = spread[n / 6][n % 6];
    }
  }
}

// G g G^T of all filters: to u[position][input channel][output channel]. The filters
// are (3, 3, C, F); turned ones are read back to front, with C and F exchanged.
void TransformFilters(const float* filters, int64_t inputs, int64_t outputs,
                      bool turned, int64_t input, float* u) {
  const int64_t tap = inputs * outputs;
  for (int64_t k = 0; k < outputs; k += kLanes) {
    Vector g[3][3], out[6][6];
    for (int n = 0; n < 9; ++n) {
      if (!turned) {
        g[n / 3][n % 3] = At(filters + n * tap + input * outputs + k);
        continue;
      }
      for (int lane = 0; lane < kLanes; ++lane)
        g[n / 3][n % 3][lane] = filters[(8 - n) * tap + (k + lane) * inputs + input];
    }
    Square<3, 6, Filters>(g, out);
    for (int n = 0; n < kPositions; ++n)
      At(u + n * tap + input * outputs + k) = out[n / 6][n % 6];
  }
}

// What a convolution of `maps` with (3, 3, C, F) filters leaves for each tile:
// finish(tile, channel, answers) for all tiles and vectors of channels.
template <typename Finish>
void Convolve(ffi::ThreadPool& pool, const Maps& maps, const float* inputs,
              Before before, const float* filters, int64_t outputs, bool turned,
              const Finish& finish) {
  static thread_local std::vector<float> filter_memory;
  const int64_t inputs_wide = maps.channels, tap = inputs_wide * outputs;
  float* u = Kept(filter_memory, kPositions * tap);
  constexpr int64_t kAtOnce = 16;
  InParallel(pool, inputs_wide / kAtOnce, [&](int64_t n) {
    for (int64_t input = n * kAtOnce; input < (n + 1) * kAtOnce; ++input)
      TransformFilters(filters, inputs_wide, outputs, turned, input, u);
  });
  Maps out = maps;
  out.channels = outputs;
  InParallel(pool, maps.blocks(), [&](int64_t block) {
    static thread_local std::vector<float> padded_memory, v_memory, m_memory;
    float* padded = Kept(padded_memory, maps.padded());
    float* v = Kept(v_memory, kPositions * maps.position());
    float* m = Kept(m_memory, kPositions * out.position());
    const int64_t first = block * maps.together();
    const int64_t last = std::min(first + maps.together(), maps.images);
    PrepareInputs(maps, inputs, before, first, last, padded, v);
    const int64_t tiles = (last - first) * maps.tiles();
    for (int64_t n = 0; n < kPositions; ++n)
      Product({v + n * maps.position(), inputs_wide, 1}, u + n * tap,
              m + n * out.position(), tiles, outputs, inputs_wide, false);
    for (int64_t number = 0; number < tiles; ++number) {
      const Tile tile = TileAt(maps, first, number);
      for (int64_t k = 0; k < outputs; k += kLanes) {
        Vector products[6][6], answers[4][4];
        for (int n = 0; n < kPositions; ++n)
          products[n / 6][n % 6] = At(m + n * out.position() + number * outputs + k);
        Square<6, 4, Answers>(products, answers);
        finish(tile, k, answers);
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

// y = convolution(silu(x * factor + summand)) + bias.
ffi::Error RunForward(ffi::ThreadPool pool, Buffer4 x, Buffer2 factor,
                      Buffer2 summand, Buffer4 filters, Buffer1 bias,
                      ffi::Result<Buffer4> y) {
  const Maps maps = MapsOf(x);
  const int64_t outputs = filters.dimensions()[3];
  float* to = y->typed_data();
  const float* added = bias.typed_data();
  Convolve(pool, maps, x.typed_data(), BeforeOf(factor, summand),
           filters.typed_data(), outputs, false,
           [&](const Tile& tile, int64_t k, const Vector answers[4][4]) {
             const Vector more = At(added + k);
             for (int64_t r = 0; r < tile.height; ++r)
               for (int64_t c = 0; c < tile.width; ++c)
                 At(to + (tile.start + r * tile.row + c) * outputs + k) =
                     answers[r][c] + more;
           });
  return ffi::Error::Success();
}

// The slopes of x, and of the factor and summand before the convolution.
ffi::Error RunInputs(ffi::ThreadPool pool, Buffer4 x, Buffer2 factor, Buffer2 summand,
                     Buffer4 filters, Buffer4 dy, ffi::Result<Buffer4> dx,
                     ffi::Result<Buffer2> dfactor, ffi::Result<Buffer2> dsummand) {
  const Maps maps = MapsOf(x);
  const int64_t channels = maps.channels;
  const Before before = BeforeOf(factor, summand);
  const float* from = x.typed_data();
  float* to = dx->typed_data();
  float* by_factor = dfactor->typed_data();
  float* by_summand = dsummand->typed_data();
  std::fill(by_factor, by_factor + dfactor->element_count(), 0.0f);
  std::fill(by_summand, by_summand + dsummand->element_count(), 0.0f);
  // An image's tiles belong to one thread, so its sums need no lock.
  Convolve(pool, MapsOf(dy), dy.typed_data(), {nullptr, nullptr},
           filters.typed_data(), channels, true,
           [&](const Tile& tile, int64_t k, const Vector answers[4][4]) {
             const int64_t vector = tile.image * channels + k;
             Vector f{}, s{}, f_sum{}, s_sum{};
             if (before.factor) {
               f = At(before.factor + vector);
               s = At(before.summand + vector);
             }
             for (int64_t r = 0; r < tile.height; ++r)
               for (int64_t c = 0; c < tile.width; ++c) {
                 const int64_t place =
                     (tile.start + r * tile.row + c) * channels + k;
                 if (!before.factor) {
                   At(to + place) = answers[r][c];
                   continue;
                 }
                 const Vector x_here = At(from + place), z = x_here * f + s;
                 const Vector share = 1.0f / (1.0f + Exponential(-z));
                 const Vector dz =
                     answers[r][c] * share * (1.0f + z * (1.0f - share));
                 At(to + place) = dz * f;
                 f_sum += dz * x_here;
                 s_sum += dz;
               }
             if (before.factor) {
               At(by_factor + vector) += f_sum;
               At(by_summand + vector) += s_sum;
             }
           });
  return ffi::Error::Success();
}

// The slopes of the filters and of the bias.
ffi::Error RunFilters(ffi::ThreadPool pool, Buffer4 x, Buffer2 factor, Buffer2 summand,
                      Buffer4 dy, ffi::Result<Buffer4> dfilters,
                      ffi::Result<Buffer1> dbias) {
  const Maps maps = MapsOf(x), out = MapsOf(dy);
  const int64_t inputs = maps.channels, outputs = out.channels, tap = inputs * outputs;
  const Before before = BeforeOf(factor, summand);
  const float *from = x.typed_data(), *slopes = dy.typed_data();
  // Each part of the images has sums of its own, whoever works on it: the same numbers
  // every time.
  const int64_t threads = std::max<int64_t>(1, pool.num_threads());
  const int64_t parts = std::min(maps.blocks(), 2 * threads);
  const int64_t sums = kPositions * tap + outputs;
  static thread_local std::vector<float> sums_memory;
  float* all = Kept(sums_memory, parts * sums);
  InParallel(pool, parts, [&](int64_t part) {
    static thread_local std::vector<float> padded_memory, v_memory, m_memory;
    float* padded = Kept(padded_memory, maps.padded());
    float* v = Kept(v_memory, kPositions * maps.position());
    float* m = Kept(m_memory, kPositions * out.position());
    float* mine = all + part * sums;
    float* bias = mine + kPositions * tap;
    std::fill(bias, bias + outputs, 0.0f);
    const int64_t from_block = part * maps.blocks() / parts;
    const int64_t to_block = (part + 1) * maps.blocks() / parts;
    for (int64_t block = from_block; block < to_block; ++block) {
      const int64_t first = block * maps.together();
      const int64_t last = std::min(first + maps.together(), maps.images);
      PrepareInputs(maps, from, before, first, last, padded, v);
      const int64_t tiles = (last - first) * maps.tiles();
      TransformSlopes(out, slopes, first, tiles, m, bias);
      for (int64_t n = 0; n < kPositions; ++n)
        Product({v + n * maps.position(), 1, inputs}, m + n * out.position(),
                mine + n * tap, inputs, outputs, tiles, block > from_block);
    }
  });
  float* to = dfilters->typed_data();
  InParallel(pool, inputs, [&](int64_t input) {
    for (int64_t k = 0; k < outputs; k += kLanes) {
      Vector u[6][6] = {}, g[3][3];
      for (int64_t part = 0; part < parts; ++part)
        for (int n = 0; n < kPositions; ++n)
          u[n / 6][n % 6] += At(all + part * sums + n * tap + input * outputs + k);
      Square<6, 3, FilterSlopes>(u, g);
      for (int n = 0; n < 9; ++n)
        At(to + n * tap + input * outputs + k) = g[n / 3][n % 3];
    }
  });
  float* bias = dbias->typed_data();
  std::fill(bias, bias + outputs, 0.0f);
  for (int64_t part = 0; part < parts; ++part)
    for (int64_t k = 0; k < outputs; ++k)
      bias[k] += all[part * sums + kPositions * tap + k];
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

XLA_FFI_DEFINE_HANDLER_SYMBOL(nnguide_convolution, RunForward,
                              Seen().Arg<Buffer1>().Ret<Buffer4>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    nnguide_convolution_inputs, RunInputs,
    Seen().Arg<Buffer4>().Ret<Buffer4>().Ret<Buffer2>().Ret<Buffer2>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(nnguide_convolution_filters, RunFilters,
                              Seen().Ret<Buffer4>().Ret<Buffer1>());
