// What a block is, the batch it reads, and how threads share that.

#ifndef NNGUIDE_BLOCK_H_
#define NNGUIDE_BLOCK_H_

#include <algorithm>

#include "attention.h"
#include "norm.h"
#include "threads.h"

namespace nnguide {

constexpr int64_t kChunk = 64;  // tokens that a thread takes at once
constexpr int64_t kApart = 16;  // rows of ours begin in different sets of the cache

// A block's parameters (or their gradients), in the order of whole_block.py. What is
// added comes after what is multiplied with.
enum Part {
  kAttentionScale, kAttentionShift, kQuery, kQueryBias, kKey, kKeyBias, kValueDown,
  kValueDownBias, kValueUp, kValueUpBias, kMlpScale, kMlpShift, kUp, kUpBias, kDown,
  kDownBias, kParts
};

struct Block {
  const float* parts[kParts];
  Rows rows;
  int64_t embedding, heads, groups, width, neurons, activation;
  bool centred;

  int64_t tokens() const { return rows.count * rows.size(); }
  int64_t chunks() const { return (tokens() + kChunk - 1) / kChunk; }
  // Numbers of all queries of a token, of all keys, and of both and all values.
  int64_t queries() const { return heads * width; }
  int64_t keys() const { return groups * width; }
  int64_t asked() const { return queries() + 2 * keys(); }
  // From a row of ours to the next, of the stream's width and the neurons' number.
  int64_t down() const { return embedding + kApart; }
  int64_t broad() const { return neurons + kApart; }
  Asked Of(float* asked) const { return {asked, heads, groups, width}; }
  Norm NormAt(Part scale) const {
    return {parts[scale], parts[scale + 1], embedding, centred};
  }
};

// What is kept of each token: queries, keys and values; and what only the gradient
// needs, or null: what they mix, the logarithm of the sum of its weights, the stream
// between both halves, and the neurons before the activation.
struct Kept {
  float *asked, *mixed, *weights, *between, *neurons;
};

// Calls work(first token, tokens, memory of `size` floats) for all chunks.
template <typename Work>
void InChunks(xla::ffi::ThreadPool& pool, const Block& block, int64_t size, Work work) {
  InParallel(pool, block.chunks(), [&](int64_t n) {
    static thread_local Memory memory;
    const int64_t first = n * kChunk;
    work(first, std::min(kChunk, block.tokens() - first), memory.Of(size));
  });
}

// Each group of each row goes through its attention.
inline void InRows(xla::ffi::ThreadPool& pool, const Block& block,
                   const Attention& attention) {
  InParallel(pool, block.rows.count * block.groups, [&](int64_t n) {
    Attention(attention).Row(n / block.groups, n % block.groups);
  });
}

}  // namespace nnguide

#endif  // NNGUIDE_BLOCK_H_
