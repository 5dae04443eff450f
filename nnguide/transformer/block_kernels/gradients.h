// Gradients of weights: products that sum over all tokens.

#ifndef NNGUIDE_GRADIENTS_H_
#define NNGUIDE_GRADIENTS_H_

#include <vector>

#include "matrices.h"
#include "threads.h"
#include "vectors.h"

namespace nnguide {

// dW = x^T dy and db = the sum of dy: (inside, columns) and (columns).
struct WeightGradient {
  const float* x;
  int64_t x_down, inside;
  const float* dy;
  int64_t dy_down, columns;
  float *weights, *bias;
};

// A thread's share: kTileRows by kTileColumns numbers of dW, summed over kTokens tokens
// at a time, so that the tile and what it is made of stay in a core's cache.
constexpr int64_t kTileRows = 128, kTileColumns = 128, kTokens = 64;

inline void SumTile(const WeightGradient& of, int64_t tokens, int64_t row,
                    int64_t column) {
  alignas(64) float panels[kTokens * kTileColumns];
  const int64_t rows = std::min(kTileRows, of.inside - row);
  const int64_t columns = std::min(kTileColumns, of.columns - column);
  float* bias = row == 0 ? of.bias + column : nullptr;
  if (bias) std::fill(bias, bias + columns, 0.0f);
  for (int64_t t = 0; t < tokens; t += kTokens) {
    const int64_t deep = std::min(kTokens, tokens - t);
    for (int64_t c = 0; c < columns; c += kBlock) {
      float* panel = panels + c * kTokens;
      CopyPanel({of.dy + t * of.dy_down + column + c, of.dy_down}, deep, kBlock, panel);
      for (int64_t v = 0; bias && v < kBlock; v += kLanes) {
        Vector sum = At(bias + c + v);
        for (int64_t d = 0; d < deep; ++d) sum += At(panel + d * kBlock + v);
        At(bias + c + v) = sum;
      }
    }
    const Matrix x{of.x + t * of.x_down + row, 1, of.x_down};
    for (int64_t r = 0; r < rows; r += kTogether)
      for (int64_t c = 0; c < columns; c += kBlock)
        MultiplyRows(x.From(r), std::min<int64_t>(kTogether, rows - r), deep,
                     panels + c * kTokens, kBlock,
                     of.weights + (row + r) * of.columns + column + c, of.columns,
                     t > 0);
  }
}

inline void SumOverTokens(xla::ffi::ThreadPool& pool, int64_t tokens,
                          const std::vector<WeightGradient>& all) {
  struct Tile {
    const WeightGradient* of;
    int64_t row, column;
  };
  std::vector<Tile> tiles;
  for (const WeightGradient& each : all)
    for (int64_t row = 0; row < each.inside; row += kTileRows)
      for (int64_t column = 0; column < each.columns; column += kTileColumns)
        tiles.push_back({&each, row, column});
  InParallel(pool, tiles.size(), [&](int64_t n) {
    SumTile(*tiles[n].of, tokens, tiles[n].row, tiles[n].column);
  });
}

}  // namespace nnguide

#endif  // NNGUIDE_GRADIENTS_H_
