// Winograd's transforms F(4 x 4, 3 x 3): one dimension at a time, then both.
//
// Lavin and Gray's matrices, arXiv 1509.09308 (points 0, 1, -1, 2, -2, infinity).

#ifndef NNGUIDE_TRANSFORMS_H_
#define NNGUIDE_TRANSFORMS_H_

#include "vectors.h"

namespace nnguide {

constexpr int64_t kTile = 4;        // side of a tile of answers
constexpr int64_t kWindow = 6;      // side of the inputs that a tile needs
constexpr int64_t kPositions = 36;  // products a tile and channel

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

}  // namespace nnguide

#endif  // NNGUIDE_TRANSFORMS_H_
