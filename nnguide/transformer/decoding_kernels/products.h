// Products of some rows with weights, by one thread.
//
// The weights of a small transformer stay in a core's cache: they are read where they
// lie. Rounded to bfloat16, two numbers lie in the place of a float: processors that
// have an instruction for it multiply both at once.

#ifndef NNGUIDE_PRODUCTS_H_
#define NNGUIDE_PRODUCTS_H_

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

#include "matrices.h"
#include "vectors.h"

namespace nnguide {

// Reads a layer's numbers in the order in which fused.py lays them out.
class Weights {
 public:
  explicit Weights(const float* at) : at_(at) {}
  const float* Next(int64_t size) {
    const float* here = at_;
    at_ += size;
    return here;
  }

 private:
  const float* at_;
};

// Numbers in place become bfloat16s, the nearest ones, halves to even: two in the place
// of a float.
inline void Halve(float* numbers, int64_t count) {
  typedef int16_t Halves
      __attribute__((vector_size(kLanes * 2), aligned(2), may_alias));
  char* to = reinterpret_cast<char*>(numbers);
  for (int64_t n = 0; n < count; n += kLanes, to += sizeof(Halves)) {
    const Integers bits = (Integers)At(numbers + n);
    const Integers rounded = bits + 0x7fff + ((bits >> 16) & 1);
    *reinterpret_cast<Halves*>(to) = __builtin_convertvector(rounded >> 16, Halves);
  }
}

// sum + left right, where each number is two bfloat16s, whose products are added.
inline Vector PlusPairs(Vector sum, float left, Vector right) {
#if defined(__AVX512BF16__)
  return (Vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_ps(left),
                                  (__m512bh)right);
#else
  const Integers pair = (Integers)(Vector{} + left), pairs = (Integers)right;
  return sum + (Vector)(pair << 16) * (Vector)(pairs << 16) +
         (Vector)(pair & ~0xffff) * (Vector)(pairs & ~0xffff);
#endif
}

// y += a b for kTogether rows of a, whose length is `depth` pairs, and kBlock columns
// of b.
inline void MultiplyPairs(const float* a, int64_t depth, const float* b,
                          int64_t columns, float* y) {
  Vector sums[kTogether][kVectors];
  for (int r = 0; r < kTogether; ++r)
    for (int v = 0; v < kVectors; ++v) sums[r][v] = At(y + r * columns + v * kLanes);
  for (int64_t d = 0; d < depth; ++d, b += columns)
    for (int r = 0; r < kTogether; ++r)
      for (int v = 0; v < kVectors; ++v)
        sums[r][v] = PlusPairs(sums[r][v], a[r * depth + d], At(b + v * kLanes));
  for (int r = 0; r < kTogether; ++r)
    for (int v = 0; v < kVectors; ++v) At(y + r * columns + v * kLanes) = sums[r][v];
}

// y += a b + bias; a is (rows, depth), y (rows, columns); a is rounded in place, if at
// all.
inline void Product(bool rounded, float* a, int64_t rows, int64_t depth,
                    int64_t columns, Weights& weights, float* y) {
  const float* bias = weights.Next(columns);
  if (rounded) {
    Halve(a, rows * depth);
    depth /= 2;
  }
  const float* b = weights.Next(depth * columns);
  for (int64_t c = 0; c < columns; c += kBlock)
    for (int64_t r = 0; r < rows; r += kTogether) {
      float* here = y + r * columns + c;
      for (int64_t v = 0; v < kBlock; v += kLanes)
        for (int64_t n = 0; n < kTogether; ++n)
          At(here + n * columns + v) += At(bias + c + v);
      if (rounded)
        MultiplyPairs(a + r * depth, depth, b + c, columns, here);
      else
        Multiply<kTogether, kVectors>({a + r * depth, depth}, depth, b + c, columns,
                                      here, columns, true);
    }
}

}  // namespace nnguide

#endif  // NNGUIDE_PRODUCTS_H_
