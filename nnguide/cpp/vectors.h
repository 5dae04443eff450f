// Vectors of floats as wide as the processor's registers, and what is computed with them.

#ifndef NNGUIDE_VECTORS_H_
#define NNGUIDE_VECTORS_H_

#include <cstdint>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace nnguide {

// Floats in a vector. Wider than a register it is several times slower, with GCC.
#if defined(__AVX512F__)
constexpr int64_t kLanes = 16;
#elif defined(__AVX__)
constexpr int64_t kLanes = 8;
#else
constexpr int64_t kLanes = 4;
#endif

typedef float Vector
    __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));
typedef int32_t Integers __attribute__((vector_size(kLanes * sizeof(float))));

inline Vector& At(float* place) { return *reinterpret_cast<Vector*>(place); }
inline Vector At(const float* place) {
  return *reinterpret_cast<const Vector*>(place);
}

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

// 1 / x of finite x to 2e-7 of itself; a division takes as long as ten products.
inline Vector Inverse(Vector x) {
#if defined(__AVX512F__)
  const Vector near = (Vector)_mm512_rcp14_ps((__m512)x);
  return near * (2.0f - x * near);
#else
  return 1.0f / x;
#endif
}

inline Vector Sigmoid(Vector z) { return Inverse(1.0f + Exponential(-z)); }

inline float SumOf(Vector x) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps((__m512)x);
#else
  float sum = 0;
  for (int64_t lane = 0; lane < kLanes; ++lane) sum += x[lane];
  return sum;
#endif
}

inline float LargestOf(Vector x) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps((__m512)x);
#else
  float most = x[0];
  for (int64_t lane = 1; lane < kLanes; ++lane) most = x[lane] > most ? x[lane] : most;
  return most;
#endif
}

}  // namespace nnguide

#endif  // NNGUIDE_VECTORS_H_
