// Weights in the order in which products read them, and products with them.

#ifndef NNGUIDE_PANELS_H_
#define NNGUIDE_PANELS_H_

#include <cstring>
#include <utility>
#include <vector>

#include "matrices.h"
#include "threads.h"
#include "vectors.h"

namespace nnguide {

// Weight matrices in panels of kBlock columns, as products read them.
class Panels {
 public:
  // The place of a matrix (inside, columns), or of the turned one, in what Fill makes.
  int64_t Add(const float* weights, int64_t inside, int64_t columns, bool turned) {
    const Matrix from = turned ? Matrix{weights, 1, columns} : Matrix{weights, columns};
    if (turned) std::swap(inside, columns);
    for (int64_t c = 0; c < columns; c += kBlock, size_ += inside * kBlock)
      panels_.push_back({from.From(0, c), inside, size_});
    return size_ - inside * columns;
  }
  const float* Fill(xla::ffi::ThreadPool& pool) {
    float* to = memory_.Of(size_);
    InParallel(pool, panels_.size(), [&](int64_t n) {
      CopyPanel(panels_[n].from, panels_[n].rows, kBlock, to + panels_[n].place);
    });
    return to;
  }

 private:
  struct Panel {
    Matrix from;
    int64_t rows, place;
  };
  std::vector<Panel> panels_;
  int64_t size_ = 0;
  Borrowed memory_;
};

// y = a w, or y += a w, for the rows of a chunk.
inline void Product(const float* a, int64_t a_down, int64_t rows, const float* panels,
                    int64_t inside, int64_t columns, float* y, int64_t y_down,
                    bool add) {
  MultiplyAll({a, a_down}, rows, inside, panels, kBlock, inside * kBlock, columns, y,
              y_down, add);
}

// Rows of y begin as the bias.
inline void Begin(const float* bias, int64_t rows, int64_t columns, float* y,
                  int64_t down) {
  for (int64_t r = 0; r < rows; ++r)
    std::memcpy(y + r * down, bias, columns * sizeof(float));
}

// Rows of y are those of x and the bias.
inline void BeginWith(const float* x, const float* bias, int64_t rows, int64_t columns,
                      float* y) {
  for (int64_t r = 0; r < rows; ++r, x += columns, y += columns)
    for (int64_t n = 0; n < columns; n += kLanes) At(y + n) = At(x + n) + At(bias + n);
}

}  // namespace nnguide

#endif  // NNGUIDE_PANELS_H_
