// Products of matrices by one thread, in a core's registers.

#ifndef NNGUIDE_MATRICES_H_
#define NNGUIDE_MATRICES_H_

#include <algorithm>
#include <cstdint>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "vectors.h"

namespace nnguide {

constexpr int64_t kBlock = 32;  // columns in a core's registers
constexpr int kVectors = kBlock / kLanes;
constexpr int kTogether = kLanes == 16 ? 8 : 3;  // rows in a core's registers

// Where a matrix's numbers lie: `down` from row to row, `across` from column to column.
struct Matrix {
  const float* at;
  int64_t down, across = 1;
  Matrix From(int64_t row, int64_t column = 0) const {
    return {at + row * down + column * across, down, across};
  }
};

// c = a b, or c += a b: `rows` rows of a, whose length is `depth`, and as many columns
// of b as `vectors` hold; rows of b are `b_down` apart, those of c `c_down`.
template <int rows, int vectors>
inline void Multiply(Matrix a, int64_t depth, const float* b, int64_t b_down, float* c,
                     int64_t c_down, bool add) {
  Vector sums[rows][vectors];
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v)
      sums[r][v] = add ? At(c + r * c_down + v * kLanes) : Vector{};
  for (int64_t d = 0; d < depth; ++d, b += b_down)
    for (int r = 0; r < rows; ++r)
      for (int v = 0; v < vectors; ++v)
        sums[r][v] += a.at[r * a.down + d * a.across] * At(b + v * kLanes);
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v) At(c + r * c_down + v * kLanes) = sums[r][v];
}

// The same for any number of rows.
template <int vectors = kVectors, int together = kTogether>
inline void MultiplyRows(Matrix a, int64_t rows, int64_t depth, const float* b,
                         int64_t b_down, float* c, int64_t c_down, bool add) {
  int64_t r = 0;
  for (; r + together <= rows; r += together)
    Multiply<together, vectors>(a.From(r), depth, b, b_down, c + r * c_down, c_down,
                                add);
  if constexpr (together > 1)
    if (r < rows)
      MultiplyRows<vectors, together / 2>(a.From(r), rows - r, depth, b, b_down,
                                          c + r * c_down, c_down, add);
}

// The same for any number of columns that fills vectors; `panel` floats after one
// kBlock of b's columns come the next.
inline void MultiplyAll(Matrix a, int64_t rows, int64_t depth, const float* b,
                        int64_t b_down, int64_t panel, int64_t columns, float* c,
                        int64_t c_down, bool add) {
  int64_t n = 0;
  for (; n + kBlock <= columns; n += kBlock, b += panel)
    MultiplyRows(a, rows, depth, b, b_down, c + n, c_down, add);
  for (int64_t v = 0; n < columns; n += kLanes, v += kLanes)
    MultiplyRows<1>(a, rows, depth, b + v, b_down, c + n, c_down, add);
}

#if defined(__AVX512F__)
// Turns 16 x 16 numbers, of which those behind the first `rows` rows become 0.
inline void Turn(const float* from, int64_t down, int64_t rows, float* to,
                 int64_t to_down) {
  __m512 r[16], t[16];
  for (int n = 0; n < 16; ++n)
    r[n] = n < rows ? _mm512_loadu_ps(from + n * down) : _mm512_setzero_ps();
  for (int n = 0; n < 16; n += 2) {
    t[n] = _mm512_unpacklo_ps(r[n], r[n + 1]);
    t[n + 1] = _mm512_unpackhi_ps(r[n], r[n + 1]);
  }
  for (int n = 0; n < 16; n += 4)
    for (int h = 0; h < 2; ++h) {
      const __m512d one = (__m512d)t[n + h], other = (__m512d)t[n + h + 2];
      r[n + 2 * h] = (__m512)_mm512_unpacklo_pd(one, other);
      r[n + 2 * h + 1] = (__m512)_mm512_unpackhi_pd(one, other);
    }
  for (int n = 0; n < 4; ++n)
    for (int h = 0; h < 16; h += 8) {
      t[n + h] = _mm512_shuffle_f32x4(r[n + h], r[n + h + 4], 0x88);
      t[n + h + 4] = _mm512_shuffle_f32x4(r[n + h], r[n + h + 4], 0xdd);
    }
  for (int n = 0; n < 8; ++n) {
    _mm512_storeu_ps(to + n * to_down, _mm512_shuffle_f32x4(t[n], t[n + 8], 0x88));
    _mm512_storeu_ps(to + (n + 8) * to_down, _mm512_shuffle_f32x4(t[n], t[n + 8], 0xdd));
  }
}
#endif

// Copies up to kBlock columns of a matrix, row after row, with zeros behind them.
inline void CopyPanel(Matrix from, int64_t rows, int64_t columns, float* to) {
  int64_t r = 0;
  if (from.across == 1 && columns == kBlock)
    for (; r < rows; ++r)
      for (int64_t v = 0; v < kBlock; v += kLanes)
        At(to + r * kBlock + v) = At(from.at + r * from.down + v);
#if defined(__AVX512F__)
  if (from.down == 1)
    for (; r + 16 <= rows; r += 16)
      for (int64_t c = 0; c < kBlock; c += 16)
        Turn(from.From(r, c).at, from.across, columns - c, to + r * kBlock + c, kBlock);
#endif
  for (; r < rows; ++r)
    for (int64_t c = 0; c < kBlock; ++c)
      to[r * kBlock + c] = c < columns ? *from.From(r, c).at : 0;
}

}  // namespace nnguide

#endif  // NNGUIDE_MATRICES_H_
