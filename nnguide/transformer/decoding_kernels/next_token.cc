// One new token of each row through all blocks of a transformer, on a CPU.
//
// A step of writing is many small products with little work between them; run one after
// the other, each waits for all threads. But rows know nothing of each other until the
// next token is drawn: here a thread takes some rows through all blocks alone, and what
// it computes with stays in its core's cache.
//
// Keys are kept place by place for each component, so that the scores of neighbouring
// places are one vector. What rows share of their beginnings is kept once.
//
// Source: 3Blue1Brown, "Attention in transformers, step-by-step".

#include <cmath>
#include <cstring>
#include <limits>

#include "activations.h"
#include "norm.h"
#include "products.h"
#include "threads.h"
#include "vectors.h"

namespace ffi = xla::ffi;

namespace nnguide {
namespace {

constexpr int64_t kMostRows = 64;  // whose numbers stay in a core's cache

// What the model is; fused.py says which numbers stand for what.
struct Model {
  int64_t layers, embedding, heads, groups, width, neurons, activation;
  bool centred, rounded;
  int64_t asked() const { return (heads + 2 * groups) * width; }
};

// What is kept of the tokens before: (L, C, G, K, P) keys and (L, C, G, P, K) values of
// beginnings that rows share, (L, B, G, K, N) and (L, B, G, N, K) of their own tokens.
struct Kept {
  const float *keys, *values;
  const int32_t* lengths;  // of the beginnings
  float *own_keys, *own_values;
  int64_t beginnings, places, rows, own_places, step;
};

Norm NormOf(const Model& model, Weights& weights) {
  const float* scale = weights.Next(model.embedding);
  return {scale, weights.Next(model.embedding), model.embedding, model.centred};
}

// The scores of `count` places of a head, and what follows the last is never seen.
int64_t Scores(const float* query, const float* keys, int64_t width, int64_t step,
               int64_t count, float* scores) {
  const float scale = 1 / std::sqrt(static_cast<float>(width));
  int64_t place = 0;
  for (; place < count; place += kLanes) {
    Vector sum{};
    for (int64_t k = 0; k < width; ++k) sum += query[k] * At(keys + k * step + place);
    At(scores + place) = sum * scale;
  }
  std::fill(scores + count, scores + place, -std::numeric_limits<float>::infinity());
  return place;
}

// mixed += the values of `count` places, by the pattern.
void Mix(const float* pattern, const float* values, int64_t width, int64_t count,
         float* mixed) {
  for (int64_t k = 0; k < width; k += kLanes) {
    Vector sum = At(mixed + k);
    for (int64_t place = 0; place < count; ++place)
      sum += pattern[place] * At(values + place * width + k);
    At(mixed + k) = sum;
  }
}

// What a row takes from the tokens before it and from itself, which is kept first.
void Attend(const Model& model, const Kept& kept, int64_t layer, int64_t row,
            const float* asked, float* pattern, float* mixed) {
  const int64_t width = model.width, own_size = width * kept.own_places;
  const int64_t beginning = row / (kept.rows / kept.beginnings);
  const int64_t length = kept.lengths[beginning];
  const float* own = asked + model.heads * width;
  std::fill(mixed, mixed + model.heads * width, 0.0f);
  for (int64_t group = 0; group < model.groups; ++group, own += width) {
    const int64_t shared = (layer * kept.beginnings + beginning) * model.groups + group;
    const int64_t mine = (layer * kept.rows + row) * model.groups + group;
    const float* keys = kept.keys + shared * width * kept.places;
    const float* values = kept.values + shared * width * kept.places;
    float *own_keys = kept.own_keys + mine * own_size;
    float *own_values = kept.own_values + mine * own_size;
    for (int64_t k = 0; k < width; ++k) {
      own_keys[k * kept.own_places + kept.step] = own[k];
      own_values[kept.step * width + k] = own[model.groups * width + k];
    }
    for (int64_t n = 0; n < model.heads / model.groups; ++n) {
      const int64_t head = group * (model.heads / model.groups) + n;
      const float* query = asked + head * width;
      const int64_t before = Scores(query, keys, width, kept.places, length, pattern);
      const int64_t seen = before + Scores(query, own_keys, width, kept.own_places,
                                           kept.step + 1, pattern + before);
      const float most = *std::max_element(pattern, pattern + seen);
      Vector sum{};
      for (int64_t s = 0; s < seen; s += kLanes)
        sum += At(pattern + s) = Exponential(At(pattern + s) - most);
      const float inverse = 1 / SumOf(sum);
      float* to = mixed + head * width;
      Mix(pattern, values, width, length, to);
      Mix(pattern + before, own_values, width, kept.step + 1, to);
      for (int64_t k = 0; k < width; k += kLanes) At(to + k) *= inverse;
    }
  }
}

// Takes `count` rows from `first` on through all blocks; their vectors are in x, which
// has room for a multiple of kTogether rows.
void ThroughBlocks(const Model& model, const float* weights, int64_t size,
                   const Kept& kept, int64_t first, int64_t count, float* x) {
  static thread_local Memory memory;
  const int64_t rows = (count + kTogether - 1) / kTogether * kTogether;
  const int64_t embedding = model.embedding, asked = model.asked();
  const int64_t neurons = model.neurons, wide = std::max(asked, neurons);
  const int64_t seen = kept.places + kept.own_places + 2 * kLanes;
  float* narrow = memory.Of(rows * (embedding + wide) + seen);
  float *broad = narrow + rows * embedding, *pattern = broad + rows * wide;
  std::fill(narrow, narrow + rows * (embedding + wide), 0.0f);
  for (int64_t layer = 0; layer < model.layers; ++layer) {
    Weights next(weights + layer * size);
    Normalize(NormOf(model, next), x, rows, narrow, embedding);
    std::fill(broad, broad + rows * asked, 0.0f);
    Product(model.rounded, narrow, rows, embedding, asked, next, broad);
    for (int64_t r = 0; r < count; ++r)
      Attend(model, kept, layer, first + r, broad + r * asked, pattern,
             narrow + r * embedding);
    Product(model.rounded, narrow, rows, embedding, embedding, next, x);
    Normalize(NormOf(model, next), x, rows, narrow, embedding);
    std::fill(broad, broad + rows * neurons, 0.0f);
    Product(model.rounded, narrow, rows, embedding, neurons, next, broad);
    Activate(model.activation, broad, rows * neurons,
             [=](int64_t n, Activation active) { At(broad + n) = active.value; });
    Product(model.rounded, broad, rows, neurons, embedding, next, x);
  }
}

using Vectors = ffi::Buffer<ffi::F32, 2>;
using Cache = ffi::Buffer<ffi::F32, 5>;
using Lengths = ffi::Buffer<ffi::S32, 1>;
using Number = ffi::Buffer<ffi::S32, 0>;

ffi::Error Run(ffi::ThreadPool pool, Vectors weights, Vectors x, Cache keys,
               Cache values, Lengths lengths, Cache, Cache, Number step,
               ffi::Result<Vectors> y, ffi::Result<Cache> own_keys,
               ffi::Result<Cache> own_values, int64_t heads, int64_t neurons,
               int64_t activation, bool centred, bool rounded) {
  const auto sizes = keys.dimensions();
  const Model model{sizes[0], x.dimensions()[1], heads, sizes[2], sizes[3], neurons,
                    activation, centred, rounded};
  const int64_t rows = x.dimensions()[0], embedding = model.embedding;
  const Kept kept{keys.typed_data(), values.typed_data(), lengths.typed_data(),
                  own_keys->typed_data(), own_values->typed_data(), sizes[1], sizes[4],
                  rows, own_keys->dimensions()[4], *step.typed_data()};
  const int64_t threads = std::max<int64_t>(1, pool.num_threads());
  const int64_t share = (rows + threads - 1) / threads;
  const int64_t together = std::min(kMostRows, share);
  InParallel(pool, (rows + together - 1) / together, [&](int64_t number) {
    static thread_local Memory memory;
    const int64_t first = number * together;
    const int64_t count = std::min(together, rows - first);
    float* stream = memory.Of((count + kTogether) * embedding);
    std::fill(stream, stream + (count + kTogether) * embedding, 0.0f);
    std::memcpy(stream, x.typed_data() + first * embedding,
                count * embedding * sizeof(float));
    ThroughBlocks(model, weights.typed_data(), weights.dimensions()[1], kept, first,
                  count, stream);
    std::memcpy(y->typed_data() + first * embedding, stream,
                count * embedding * sizeof(float));
  });
  return ffi::Error::Success();
}

}  // namespace
}  // namespace nnguide

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    nnguide_next_token, nnguide::Run,
    ffi::Ffi::Bind()
        .Ctx<ffi::ThreadPool>()
        .Arg<nnguide::Vectors>()  // weights, a row a layer
        .Arg<nnguide::Vectors>()  // x
        .Arg<nnguide::Cache>()    // keys of beginnings
        .Arg<nnguide::Cache>()    // their values
        .Arg<nnguide::Lengths>()  // and lengths
        .Arg<nnguide::Cache>()    // own keys, which become a result
        .Arg<nnguide::Cache>()    // own values, alike
        .Arg<nnguide::Number>()   // own tokens kept before
        .Ret<nnguide::Vectors>()
        .Ret<nnguide::Cache>()
        .Ret<nnguide::Cache>()
        .Attr<int64_t>("heads")
        .Attr<int64_t>("neurons")
        .Attr<int64_t>("activation")
        .Attr<bool>("centred")
        .Attr<bool>("rounded"));
