// Layer norm and RMS norm of rows, and their gradients.

#ifndef NNGUIDE_NORM_H_
#define NNGUIDE_NORM_H_

#include <cmath>
#include <cstdint>

#include "vectors.h"

namespace nnguide {

constexpr float kEpsilon = 1e-5f;  // GPT-2's

// A norm of rows of `size` numbers; layer norm takes away the mean (`centred`).
struct Norm {
  const float *scale, *bias;
  int64_t size;
  bool centred;
};

// What is taken from a row, and what it is multiplied by then.
struct Moments {
  float mean, inverse;
};

inline Moments MomentsOf(const Norm& norm, const float* x) {
  Vector sum{}, square{};
  if (norm.centred)
    for (int64_t d = 0; d < norm.size; d += kLanes) sum += At(x + d);
  const float mean = norm.centred ? SumOf(sum) / norm.size : 0;
  for (int64_t d = 0; d < norm.size; d += kLanes) {
    const Vector centred = At(x + d) - mean;
    square += centred * centred;
  }
  return {mean, 1 / std::sqrt(SumOf(square) / norm.size + kEpsilon)};
}

// Each row less its mean (if centred), divided by its deviation, scaled and shifted.
// Rows of y begin `down` floats apart.
inline void Normalize(const Norm& norm, const float* x, int64_t rows, float* y,
                      int64_t down) {
  for (int64_t r = 0; r < rows; ++r, x += norm.size, y += down) {
    const Moments of = MomentsOf(norm, x);
    for (int64_t d = 0; d < norm.size; d += kLanes)
      At(y + d) = (At(x + d) - of.mean) * of.inverse * At(norm.scale + d) +
                  At(norm.bias + d);
  }
}

// dx = `around` + the gradient of x, from that of its normalized rows. Those of scale
// and bias are added to d_scale and d_bias.
inline void NormalizeBackward(const Norm& norm, const float* x, int64_t rows,
                              const float* dy, const float* around, float* dx,
                              float* d_scale, float* d_bias) {
  const int64_t size = norm.size;
  for (int64_t r = 0; r < rows;
       ++r, x += size, dy += size, around += size, dx += size) {
    const Moments of = MomentsOf(norm, x);
    Vector sum{}, along{};
    for (int64_t d = 0; d < size; d += kLanes) {
      const Vector unit = (At(x + d) - of.mean) * of.inverse;
      At(d_scale + d) += At(dy + d) * unit;
      At(d_bias + d) += At(dy + d);
      const Vector scaled = At(dy + d) * At(norm.scale + d);
      sum += scaled;
      along += scaled * unit;
    }
    const float mean = norm.centred ? SumOf(sum) / size : 0, share = SumOf(along) / size;
    for (int64_t d = 0; d < size; d += kLanes) {
      const Vector unit = (At(x + d) - of.mean) * of.inverse;
      const Vector scaled = At(dy + d) * At(norm.scale + d);
      At(dx + d) = At(around + d) + (scaled - mean - unit * share) * of.inverse;
    }
  }
}

}  // namespace nnguide

#endif  // NNGUIDE_NORM_H_
