// Activations of neurons and their slopes; fused.py says which number is which.

#ifndef NNGUIDE_ACTIVATIONS_H_
#define NNGUIDE_ACTIVATIONS_H_

#include <cstdint>

#include "vectors.h"

namespace nnguide {

struct Activation {
  Vector value, slope;
};

// erf(z) to 2e-7, where e^-z^2 is known: Abramowitz and Stegun, "Handbook of
// Mathematical Functions", 7.1.26.
inline Vector Erf(Vector z, Vector bell) {
  const Vector size = z < 0 ? -z : z;
  const Vector t = Inverse(1.0f + 0.3275911f * size);
  Vector p = t * 1.061405429f - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const Vector y = 1.0f - p * t * bell;
  return z < 0 ? -y : y;
}

inline Activation ExactGelu(Vector z) {
  const Vector bell = Exponential(-0.5f * z * z);
  const Vector share = 0.5f + 0.5f * Erf(z * 0.70710678f, bell);
  return {z * share, share + z * bell * 0.39894228f};
}

inline Activation TanhGelu(Vector z) {
  const Vector share = Sigmoid(1.59576912f * (z + 0.044715f * z * z * z));
  const Vector steepness = 1.59576912f * (1.0f + 0.134145f * z * z);
  return {z * share, share + z * share * (1.0f - share) * steepness};
}

inline Activation Relu(Vector z) {
  return {z < 0 ? Vector{} : z, z > 0 ? Vector{} + 1.0f : Vector{}};  // keeps NaN
}

inline Activation SquaredRelu(Vector z) {
  const Vector above = Relu(z).value;
  return {above * above, 2.0f * above};
}

// Calls use(place, value and slope) for each vector of `count` numbers.
template <typename Use>
inline void Activate(int64_t activation, const float* z, int64_t count, Use use) {
  const auto all = [&](auto one) {
    for (int64_t n = 0; n < count; n += kLanes) use(n, one(At(z + n)));
  };
  switch (activation) {
    case 0:
      return all(ExactGelu);
    case 1:
      return all(TanhGelu);
    case 2:
      return all(Relu);
    default:
      return all(SquaredRelu);
  }
}

}  // namespace nnguide

#endif  // NNGUIDE_ACTIVATIONS_H_
