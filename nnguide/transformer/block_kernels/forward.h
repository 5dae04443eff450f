// The stream before a block becomes the stream after it.

#ifndef NNGUIDE_FORWARD_H_
#define NNGUIDE_FORWARD_H_

#include <cstring>

#include "activations.h"
#include "block.h"
#include "panels.h"

namespace nnguide {

class Forward {
 public:
  Forward(xla::ffi::ThreadPool& pool, const Block& block, const float* x, Kept kept,
          float* y)
      : pool_(pool), block_(block), x_(x), kept_(kept), y_(y) {
    const int64_t size = block.embedding;
    asking_ = panels_.Add(block.parts[kQuery], size, block.queries(), false);
    panels_.Add(block.parts[kKey], size, block.keys(), false);
    panels_.Add(block.parts[kValueDown], size, block.keys(), false);
    value_up_ = panels_.Add(block.parts[kValueUp], block.queries(), size, false);
    up_ = panels_.Add(block.parts[kUp], size, block.neurons, false);
    down_ = panels_.Add(block.parts[kDown], block.neurons, size, false);
  }

  void Run() {
    Borrowed own;
    if (!kept_.mixed) kept_.mixed = own.Of(block_.tokens() * block_.queries());
    weights_ = panels_.Fill(pool_);
    InChunks(pool_, block_, kChunk * block_.down(),
             [this](auto... chunk) { Ask(chunk...); });
    InRows(pool_, block_,
           {block_.Of(kept_.asked), block_.rows, kept_.mixed, kept_.weights});
    InChunks(pool_, block_, kChunk * (block_.down() + block_.broad() + block_.embedding),
             [this](auto... chunk) { GoOn(chunk...); });
  }

 private:
  // Queries, keys and values of a chunk.
  void Ask(int64_t first, int64_t rows, float* normed) {
    const int64_t size = block_.embedding, asked = block_.asked();
    Normalize(block_.NormAt(kAttentionScale), x_ + first * size, rows, normed,
              block_.down());
    float *queries = kept_.asked + first * asked, *keys = queries + block_.queries();
    Begin(block_.parts[kQueryBias], rows, block_.queries(), queries, asked);
    Begin(block_.parts[kKeyBias], rows, block_.keys(), keys, asked);
    Begin(block_.parts[kValueDownBias], rows, block_.keys(), keys + block_.keys(),
          asked);
    Product(normed, block_.down(), rows, weights_ + asking_, size, asked, queries,
            asked, true);
  }

  // All that comes after attention, for a chunk.
  void GoOn(int64_t first, int64_t rows, float* normed) {
    const int64_t size = block_.embedding, down = block_.down();
    const int64_t broad = block_.broad(), count = block_.neurons;
    float *neurons = normed + kChunk * down, *between = neurons + kChunk * broad;
    if (kept_.between) between = kept_.between + first * size;
    BeginWith(x_ + first * size, block_.parts[kValueUpBias], rows, size, between);
    Product(kept_.mixed + first * block_.queries(), block_.queries(), rows,
            weights_ + value_up_, block_.queries(), size, between, size, true);
    Normalize(block_.NormAt(kMlpScale), between, rows, normed, down);
    Begin(block_.parts[kUpBias], rows, count, neurons, broad);
    Product(normed, down, rows, weights_ + up_, size, count, neurons, broad, true);
    for (int64_t r = 0; r < rows; ++r) {
      float* row = neurons + r * broad;
      if (kept_.neurons)
        std::memcpy(kept_.neurons + (first + r) * count, row, count * sizeof(float));
      Activate(block_.activation, row, count,
               [=](int64_t n, Activation active) { At(row + n) = active.value; });
    }
    float* y = y_ + first * size;
    BeginWith(between, block_.parts[kDownBias], rows, size, y);
    Product(neurons, broad, rows, weights_ + down_, count, size, y, size, true);
  }

  xla::ffi::ThreadPool& pool_;
  const Block& block_;
  const float* x_;
  Kept kept_;
  float* y_;
  Panels panels_;
  int64_t asking_, value_up_, up_, down_;  // places in the panels
  const float* weights_ = nullptr;
};

}  // namespace nnguide

#endif  // NNGUIDE_FORWARD_H_
