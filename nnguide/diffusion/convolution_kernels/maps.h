// Maps cut into tiles, and their transforms side by side in a core's cache.

#ifndef NNGUIDE_MAPS_H_
#define NNGUIDE_MAPS_H_

#include <algorithm>

#include "transforms.h"

namespace nnguide {

constexpr int64_t kRows = 8;  // tiles whose products are made at once

struct Maps {
  int64_t images, height, width, channels;
  int64_t tiles_down() const { return (height + kTile - 1) / kTile; }
  int64_t tiles_across() const { return (width + kTile - 1) / kTile; }
  int64_t tiles() const { return tiles_down() * tiles_across(); }
  int64_t image() const { return height * width * channels; }
  // Of an image in a rim of zeros, one vector of channels: floats of a row, of all.
  int64_t padded_row() const { return (tiles_across() * kTile + 2) * kLanes; }
  int64_t padded() const { return (tiles_down() * kTile + 2) * padded_row(); }
};

// Images whose tiles are transformed together.
struct Block {
  int64_t first, last;  // images, the last one not among them
  int64_t tiles;        // of all
  int64_t groups() const { return (tiles + kRows - 1) / kRows; }
};

// Maps in blocks of about as many tiles as are asked for.
struct Blocks {
  const Maps& maps;
  int64_t together;  // images a block
  Blocks(const Maps& maps, int64_t tiles)
      : maps(maps), together(std::max<int64_t>(1, tiles / maps.tiles())) {}
  int64_t count() const { return (maps.images + together - 1) / together; }
  Block operator[](int64_t number) const {
    const int64_t first = number * together;
    const int64_t last = std::min(first + together, maps.images);
    return {first, last, (last - first) * maps.tiles()};
  }
  // Floats of a block's transforms with so many channels.
  int64_t transforms(int64_t channels) const {
    const Block most = (*this)[0];
    return most.groups() * kRows * kPositions * channels;
  }
};

// Where a tile of answers lies, and how much of it lies within the maps.
struct Tile {
  int64_t image, start, row;  // of its first place, and between rows, in places
  int64_t height, width;
};

// The tile `number` of those of the images from `first` on.
inline Tile TileAt(const Maps& maps, int64_t first, int64_t number) {
  const int64_t image = first + number / maps.tiles(), here = number % maps.tiles();
  const int64_t top = here / maps.tiles_across() * kTile;
  const int64_t side = here % maps.tiles_across() * kTile;
  return {image, (image * maps.height + top) * maps.width + side, maps.width,
          std::min(kTile, maps.height - top), std::min(kTile, maps.width - side)};
}

// What of a block's transforms belongs to a vector of channels, a group of tiles and a
// position: of each of the group's tiles one vector. A product reads them in this order.
inline int64_t Place(const Block& block, int64_t channel, int64_t group,
                     int64_t position) {
  const int64_t vectors = channel / kLanes * block.groups() + group;
  return (vectors * kPositions + position) * kRows * kLanes;
}

inline void Store(const Vector values[6][6], const Block& block, int64_t channel,
                  int64_t tile, float* transforms) {
  float* to = transforms + Place(block, channel, tile / kRows, 0) +
              tile % kRows * kLanes;
  for (int n = 0; n < kPositions; ++n)
    At(to + n * kRows * kLanes) = values[n / 6][n % 6];
}

// What comes before the convolution: nothing, or silu(maps * factor + summand).
struct Before {
  const float* factor;  // (images, channels), or null
  const float* summand;
};

// One vector of an image's channels in a rim of zeros, after what comes before.
inline void Pad(const Maps& maps, const float* image, Before before, float* padded) {
  const int64_t row = maps.padded_row();
  std::fill(padded, padded + row, 0.0f);
  for (int64_t y = 0; y < maps.height; ++y) {
    const float* from = image + y * maps.width * maps.channels;
    float* to = padded + (y + 1) * row;
    At(to) = Vector{};
    to += kLanes;
    if (before.factor) {
      const Vector f = At(before.factor), s = At(before.summand);
      for (int64_t x = 0; x < maps.width; ++x) {
        const Vector z = At(from + x * maps.channels) * f + s;
        At(to + x * kLanes) = z * Sigmoid(z);
      }
    } else {
      for (int64_t x = 0; x < maps.width; ++x)
        At(to + x * kLanes) = At(from + x * maps.channels);
    }
    std::fill(to + maps.width * kLanes, to - kLanes + row, 0.0f);
  }
  std::fill(padded + (maps.height + 1) * row, padded + maps.padded(), 0.0f);
}

// B^T d B of a block's tiles; `padded` is for one image's vector of channels.
inline void TransformInputs(const Maps& maps, const float* all, Before before,
                            const Block& block, float* padded, float* transforms) {
  const int64_t row = maps.padded_row();
  for (int64_t c = 0; c < maps.channels; c += kLanes) {
    int64_t tile = 0;
    for (int64_t image = block.first; image < block.last; ++image) {
      const int64_t vector = image * maps.channels + c;
      Before here{nullptr, nullptr};
      if (before.factor) here = {before.factor + vector, before.summand + vector};
      Pad(maps, all + image * maps.image() + c, here, padded);
      for (int64_t down = 0; down < maps.tiles_down(); ++down)
        for (int64_t across = 0; across < maps.tiles_across(); ++across, ++tile) {
          const float* corner = padded + kTile * (down * row + across * kLanes);
          Vector d[6][6], out[6][6];
          for (int y = 0; y < kWindow; ++y)
            for (int x = 0; x < kWindow; ++x) d[y][x] = At(corner + y * row + x * kLanes);
          Square<6, 6, Inputs>(d, out);
          Store(out, block, c, tile, transforms);
        }
    }
  }
}

// A dy A^T of a block's tiles; their sums are added to those in `bias`.
inline void TransformSlopes(const Maps& out, const float* slopes, const Block& block,
                            float* transforms, float* bias) {
  for (int64_t k = 0; k < out.channels; k += kLanes) {
    Vector sum = At(bias + k);
    for (int64_t number = 0; number < block.tiles; ++number) {
      const Tile tile = TileAt(out, block.first, number);
      Vector y[4][4] = {}, spread[6][6];
      for (int64_t r = 0; r < tile.height; ++r)
        for (int64_t c = 0; c < tile.width; ++c) {
          y[r][c] = At(slopes + (tile.start + r * tile.row + c) * out.channels + k);
          sum += y[r][c];
        }
      Square<4, 6, Slopes>(y, spread);
      Store(spread, block, k, number, transforms);
    }
    At(bias + k) = sum;
  }
}

// G g G^T of one input channel's filters: to u[vector of outputs][position][input][lane].
// The filters are (3, 3, C, F); turned ones are read back to front, with C and F
// exchanged.
inline void TransformFilters(const float* filters, int64_t inputs, int64_t outputs,
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
    float* to = u + kPositions * k * inputs + input * kLanes;
    for (int n = 0; n < kPositions; ++n)
      At(to + n * inputs * kLanes) = out[n / 6][n % 6];
  }
}

}  // namespace nnguide

#endif  // NNGUIDE_MAPS_H_
