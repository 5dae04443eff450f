// Gradients of a block, from that of the stream after it.

#ifndef NNGUIDE_BACKWARD_H_
#define NNGUIDE_BACKWARD_H_

#include "activations.h"
#include "block.h"
#include "gradients.h"
#include "panels.h"

namespace nnguide {

class Backward {
 public:
  // From the gradients of the stream and (or null) of queries, keys and values to dx
  // and those of the parts.
  Backward(xla::ffi::ThreadPool& pool, const Block& block, const float* x, Kept kept,
           const float* dy, const float* more_asked, float* dx, float* const* parts)
      : pool_(pool), block_(block), x_(x), kept_(kept), dy_(dy),
        more_asked_(more_asked), dx_(dx), parts_(parts) {
    const int64_t size = block.embedding;
    query_ = panels_.Add(block.parts[kQuery], size, block.queries(), true);
    key_ = panels_.Add(block.parts[kKey], size, block.keys(), true);
    value_down_ = panels_.Add(block.parts[kValueDown], size, block.keys(), true);
    value_up_ = panels_.Add(block.parts[kValueUp], block.queries(), size, true);
    up_ = panels_.Add(block.parts[kUp], size, block.neurons, true);
    down_ = panels_.Add(block.parts[kDown], block.neurons, size, true);
    Reserve();
  }

  void Run() {
    weights_ = panels_.Fill(pool_);
    const int64_t narrow = kChunk * block_.embedding;
    InChunks(pool_, block_, narrow, [this](auto... chunk) { AfterAttention(chunk...); });
    InRows(pool_, block_, {block_.Of(kept_.asked), block_.rows, kept_.mixed,
                           kept_.weights, d_mixed_, d_asked_});
    InChunks(pool_, block_, narrow,
             [this](auto... chunk) { BeforeAttention(chunk...); });
    SumChunks(mlp_sums_, parts_[kMlpScale], parts_[kMlpShift]);
    SumChunks(sums_, parts_[kAttentionScale], parts_[kAttentionShift]);
    const int64_t size = block_.embedding, queries = block_.queries();
    const int64_t down = block_.down(), broad = block_.broad(), keys = block_.keys();
    const float* d_keys = d_asked_ + queries;
    SumOverTokens(
        pool_, block_.tokens(),
        {{active_, broad, block_.neurons, dy_, size, size, To(kDown), Bias(kDown)},
         {mlp_normed_, down, size, d_neurons_, broad, block_.neurons, To(kUp),
          Bias(kUp)},
         {kept_.mixed, queries, queries, d_between_, size, size, To(kValueUp),
          Bias(kValueUp)},
         {normed_, down, size, d_asked_, block_.asked(), queries, To(kQuery),
          Bias(kQuery)},
         {normed_, down, size, d_keys, block_.asked(), keys, To(kKey), Bias(kKey)},
         {normed_, down, size, d_keys + keys, block_.asked(), keys, To(kValueDown),
          Bias(kValueDown)}});
  }

 private:
  float* To(Part part) const { return parts_[part]; }
  float* Bias(Part part) const { return parts_[part + 1]; }

  // Memory for numbers of all tokens, and for each chunk's sums.
  void Reserve() {
    const int64_t tokens = block_.tokens(), sums = block_.chunks() * 2 * block_.embedding;
    const int64_t sizes[] = {
        tokens * block_.down(),      tokens * block_.down(),    tokens * block_.broad(),
        tokens * block_.broad(),     tokens * block_.embedding,
        tokens * block_.queries(),   tokens * block_.asked(),   sums, sums};
    float** places[] = {&mlp_normed_, &normed_,  &active_, &d_neurons_, &d_between_,
                        &d_mixed_,    &d_asked_, &mlp_sums_, &sums_};
    int64_t all = 0;
    for (const int64_t size : sizes) all += size;
    float* next = memory_.Of(all);
    for (int n = 0; n < 9; next += sizes[n++]) *places[n] = next;
    std::fill(mlp_sums_, mlp_sums_ + 2 * sums, 0.0f);
  }

  void AfterAttention(int64_t first, int64_t rows, float* d_normed) {
    const int64_t size = block_.embedding, broad = block_.broad();
    const int64_t count = block_.neurons, chunk = first / kChunk * 2 * size;
    const float *dy = dy_ + first * size, *between = kept_.between + first * size;
    float *slope = d_neurons_ + first * broad, *back = d_between_ + first * size;
    Product(dy, size, rows, weights_ + down_, size, count, slope, broad, false);
    for (int64_t r = 0; r < rows; ++r) {
      float *row = active_ + (first + r) * broad, *d_row = slope + r * broad;
      Activate(block_.activation, kept_.neurons + (first + r) * count, count,
               [=](int64_t n, Activation active) {
                 At(row + n) = active.value;
                 At(d_row + n) *= active.slope;
               });
    }
    Product(slope, broad, rows, weights_ + up_, count, size, d_normed, size, false);
    const Norm norm = block_.NormAt(kMlpScale);
    Normalize(norm, between, rows, mlp_normed_ + first * block_.down(), block_.down());
    NormalizeBackward(norm, between, rows, d_normed, dy, back, mlp_sums_ + chunk,
                      mlp_sums_ + chunk + size);
    Product(back, size, rows, weights_ + value_up_, size, block_.queries(),
            d_mixed_ + first * block_.queries(), block_.queries(), false);
  }

  void BeforeAttention(int64_t first, int64_t rows, float* d_normed) {
    const int64_t size = block_.embedding, asked = block_.asked();
    const int64_t keys = block_.keys(), chunk = first / kChunk * 2 * size;
    float* queries = d_asked_ + first * asked;
    for (int64_t n = 0; more_asked_ && n < rows * asked; n += kLanes)
      At(queries + n) += At(more_asked_ + first * asked + n);
    const float* d_keys = queries + block_.queries();
    Product(queries, asked, rows, weights_ + query_, block_.queries(), size, d_normed,
            size, false);
    Product(d_keys, asked, rows, weights_ + key_, keys, size, d_normed, size, true);
    Product(d_keys + keys, asked, rows, weights_ + value_down_, keys, size, d_normed,
            size, true);
    const Norm norm = block_.NormAt(kAttentionScale);
    const float* x = x_ + first * size;
    Normalize(norm, x, rows, normed_ + first * block_.down(), block_.down());
    NormalizeBackward(norm, x, rows, d_normed, d_between_ + first * size,
                      dx_ + first * size, sums_ + chunk, sums_ + chunk + size);
  }

  // The gradients of a norm's scale and shift, from those of the chunks.
  void SumChunks(const float* sums, float* scale, float* shift) const {
    const int64_t size = block_.embedding;
    std::fill(scale, scale + size, 0.0f);
    std::fill(shift, shift + size, 0.0f);
    for (int64_t n = 0; n < block_.chunks(); ++n, sums += 2 * size)
      for (int64_t d = 0; d < size; ++d) {
        scale[d] += sums[d];
        shift[d] += sums[size + d];
      }
  }

  xla::ffi::ThreadPool& pool_;
  const Block& block_;
  const float* x_;
  const Kept kept_;
  const float *dy_, *more_asked_;
  float* dx_;
  float* const* parts_;
  Panels panels_;
  int64_t query_, key_, value_down_, value_up_, up_, down_;  // places in the panels
  const float* weights_ = nullptr;
  Borrowed memory_;
  float *mlp_normed_, *normed_, *active_;  // what products with gradients are made of
  float *d_neurons_, *d_between_, *d_mixed_, *d_asked_;
  float *mlp_sums_, *sums_;
};

}  // namespace nnguide

#endif  // NNGUIDE_BACKWARD_H_
