// A whole block of a transformer in one call on a CPU, and its gradient in another.
//
// x + attention(norm(x)), then x + mlp(norm(x)). A thread takes some tokens through all
// that comes before attention, then a row's keys and values through it, then some
// tokens through all that comes after: what it computes with stays in its core's cache,
// and threads wait for each other four or five times a block and not at each step.
//
// Source: 3Blue1Brown, "Attention in transformers, step-by-step", "How might LLMs store
// facts".

#include "backward.h"
#include "block.h"
#include "forward.h"
#include "threads.h"

namespace ffi = xla::ffi;

namespace nnguide {
namespace {

using Vectors = ffi::Buffer<ffi::F32, 2>;
using Lengths = ffi::Buffer<ffi::S32, 1>;

float* Numbers(const ffi::RemainingArgs& all, int64_t n) {
  return static_cast<float*>(all.get<ffi::AnyBuffer>(n)->untyped_data());
}

float* Numbers(const ffi::RemainingRets& all, int64_t n) {
  return static_cast<float*>((*all.get<ffi::AnyBuffer>(n))->untyped_data());
}

Block BlockOf(const ffi::RemainingArgs& given, int64_t first, Vectors x,
              Lengths lengths, int64_t places, int64_t answers, int64_t heads,
              int64_t groups, int64_t neurons, int64_t activation, bool centred) {
  const int64_t count = lengths.dimensions()[0], embedding = x.dimensions()[1];
  const int64_t rest = x.dimensions()[0] / count - places;
  Block block{{},
              {lengths.typed_data(), count, places, answers,
               answers ? rest / answers : 0},
              embedding, heads, groups, embedding / heads, neurons, activation,
              centred};
  for (int64_t n = 0; n < kParts; ++n) block.parts[n] = Numbers(given, first + n);
  return block;
}

// Given: the parts. Results: the stream, and what is kept.
ffi::Error Run(ffi::ThreadPool pool, Vectors x, Lengths lengths,
               ffi::RemainingArgs parts, ffi::RemainingRets results, int64_t places,
               int64_t answers, int64_t heads, int64_t groups, int64_t neurons,
               int64_t activation, bool centred) {
  const Block block = BlockOf(parts, 0, x, lengths, places, answers, heads, groups,
                              neurons, activation, centred);
  Kept kept{Numbers(results, 1)};
  if (results.size() > 2)
    kept = {kept.asked, Numbers(results, 2), Numbers(results, 3), Numbers(results, 4),
            Numbers(results, 5)};
  Forward(pool, block, x.typed_data(), kept, Numbers(results, 0)).Run();
  return ffi::Error::Success();
}

// Given: the gradients of the stream after the block and of queries, keys and values,
// if any; what was kept; the parts. Results: the gradients of the stream before it and
// of the parts.
ffi::Error RunBackward(ffi::ThreadPool pool, Vectors x, Lengths lengths, Vectors dy,
                       Vectors d_asked, ffi::RemainingArgs given,
                       ffi::RemainingRets results, int64_t places, int64_t answers,
                       int64_t heads, int64_t groups, int64_t neurons,
                       int64_t activation, bool centred) {
  const Block block = BlockOf(given, 5, x, lengths, places, answers, heads, groups,
                              neurons, activation, centred);
  const Kept kept{Numbers(given, 0), Numbers(given, 1), Numbers(given, 2),
                  Numbers(given, 3), Numbers(given, 4)};
  float* gradients[kParts];
  for (int64_t n = 0; n < kParts; ++n) gradients[n] = Numbers(results, 1 + n);
  Backward(pool, block, x.typed_data(), kept, dy.typed_data(),
           d_asked.element_count() ? d_asked.typed_data() : nullptr,
           Numbers(results, 0), gradients)
      .Run();
  return ffi::Error::Success();
}

// What both are given after their own arguments.
template <typename Own>
auto WithAll(Own own) {
  return std::move(own)
      .RemainingArgs()
      .RemainingRets()
      .template Attr<int64_t>("places")
      .template Attr<int64_t>("answers")
      .template Attr<int64_t>("heads")
      .template Attr<int64_t>("groups")
      .template Attr<int64_t>("neurons")
      .template Attr<int64_t>("activation")
      .template Attr<bool>("centred");
}

auto Given() {
  return ffi::Ffi::Bind()
      .Ctx<ffi::ThreadPool>()
      .Arg<Vectors>()   // x
      .Arg<Lengths>();  // of questions
}

}  // namespace
}  // namespace nnguide

XLA_FFI_DEFINE_HANDLER_SYMBOL(nnguide_block, nnguide::Run,
                              nnguide::WithAll(nnguide::Given()));
XLA_FFI_DEFINE_HANDLER_SYMBOL(nnguide_block_backward, nnguide::RunBackward,
                              nnguide::WithAll(nnguide::Given()
                                                   .Arg<nnguide::Vectors>()    // dy
                                                   .Arg<nnguide::Vectors>())); // d_asked
