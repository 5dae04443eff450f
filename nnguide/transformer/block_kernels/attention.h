// Attention of a question's tokens to those before them, and of its answers' tokens to
// the question and those before them in the answer, by one thread; and its gradients.

#ifndef NNGUIDE_ATTENTION_H_
#define NNGUIDE_ATTENTION_H_

#include <cmath>
#include <limits>

#include "matrices.h"
#include "threads.h"
#include "vectors.h"

namespace nnguide {

constexpr int64_t kQueries = 64;  // whose scores are held at once

// Queries, keys and values of tokens: (tokens, (H + 2 G) K). Or their gradients.
struct Asked {
  float* at;
  int64_t heads, groups, width;
  int64_t down() const { return (heads + 2 * groups) * width; }
  float* Query(int64_t token, int64_t head) const {
    return at + token * down() + head * width;
  }
  float* Key(int64_t token, int64_t group) const { return Query(token, heads + group); }
  float* Value(int64_t token, int64_t group) const {
    return Query(token, heads + groups + group);
  }
};

// The rows of a batch: a question of `places`, of which the first lengths[row] hold a
// token, and `answers` of `length` tokens each.
struct Rows {
  const int32_t* lengths;
  int64_t count, places, answers, length;
  int64_t size() const { return places + answers * length; }
};

// Successive keys of a group, in panels: components by keys.
struct Keys {
  int64_t first, count, columns;  // columns are the count, and what fills vectors
  float *keys, *values;
};

inline int64_t Whole(int64_t count, int64_t unit) {
  return (count + unit - 1) / unit * unit;
}

inline int64_t PanelSize(int64_t count, int64_t width) {
  return Whole(count, kBlock) * width;
}

inline Keys InPanels(const Asked& asked, int64_t group, int64_t first, int64_t count,
                     float* memory, bool backward) {
  float* values = memory + PanelSize(count, asked.width);
  for (int64_t n = 0; n < count; n += kBlock) {
    const int64_t columns = std::min(kBlock, count - n);
    const int64_t place = n * asked.width;
    CopyPanel({asked.Key(first + n, group), 1, asked.down()}, asked.width, columns,
              memory + place);
    if (backward)
      CopyPanel({asked.Value(first + n, group), 1, asked.down()}, asked.width, columns,
                values + place);
  }
  return {first, count, Whole(count, kLanes), memory, values};
}

// What some queries see: all of the first keys, and of the second those up to their own
// places; the first query has `before` of these before it.
struct Seen {
  Keys shared, own;
  int64_t before;
  int64_t columns() const { return shared.columns + own.columns; }
};

// Of `rows` vectors of a head at `from` their products with all seen keys or values.
inline void ProductsWith(const Asked& asked, const Seen& seen, bool values,
                         const float* from, int64_t down, int64_t rows, float* scores) {
  int64_t column = 0;
  for (const Keys* each : {&seen.shared, &seen.own}) {
    MultiplyAll({from, down}, rows, asked.width, values ? each->values : each->keys,
                kBlock, kBlock * asked.width, each->columns, scores + column,
                seen.columns(), false);
    column += each->columns;
  }
}

// Which of kLanes columns from `column` on a query sees.
inline Integers IsSeen(const Seen& seen, int64_t row, int64_t column) {
  static const Integers lanes = [] {
    Integers numbers;
    for (int32_t lane = 0; lane < kLanes; ++lane) numbers[lane] = lane;
    return numbers;
  }();
  int64_t count = seen.shared.count;
  if (column >= seen.shared.columns) {
    column -= seen.shared.columns;
    count = std::min(seen.own.count, seen.before + row + 1);
  }
  return lanes < Integers{} + static_cast<int32_t>(count - column);
}

// Scores become the pattern; `weights` is what the logarithm of each row's sum of e^s
// comes to.
inline void Softmax(const Seen& seen, int64_t rows, float scale, float* scores,
                    float* weights, int64_t down) {
  const int64_t columns = seen.columns();
  const Vector never = Vector{} - std::numeric_limits<float>::infinity();
  for (int64_t r = 0; r < rows; ++r, scores += columns) {
    Vector most = never, sum{};
    for (int64_t n = 0; n < columns; n += kLanes) {
      const Vector score = IsSeen(seen, r, n) ? At(scores + n) * scale : never;
      At(scores + n) = score;
      most = most > score ? most : score;
    }
    const float largest = LargestOf(most);
    for (int64_t n = 0; n < columns; n += kLanes) {
      const Vector share = Exponential(At(scores + n) - largest);
      sum += At(scores + n) = IsSeen(seen, r, n) ? share : Vector{};
    }
    const float total = SumOf(sum), inverse = 1 / total;
    for (int64_t n = 0; n < columns; n += kLanes) At(scores + n) *= inverse;
    if (weights) weights[r * down] = largest + std::log(total);
  }
}

// Scores become the pattern again, and d_scores, which is the gradient of the pattern,
// that of the scores before they were scaled.
inline void SoftmaxBackward(const Seen& seen, int64_t rows, int64_t width, float scale,
                            const float* weights, int64_t weights_down,
                            const float* mixed, const float* d_mixed, int64_t down,
                            float* scores, float* d_scores) {
  const int64_t columns = seen.columns();
  for (int64_t r = 0; r < rows; ++r, scores += columns, d_scores += columns) {
    Vector sum{};
    for (int64_t k = 0; k < width; k += kLanes)
      sum += At(mixed + r * down + k) * At(d_mixed + r * down + k);
    const float along = SumOf(sum), weight = weights[r * weights_down];
    for (int64_t n = 0; n < columns; n += kLanes) {
      const Vector share = Exponential(At(scores + n) * scale - weight);
      const Integers is_seen = IsSeen(seen, r, n);
      At(scores + n) = is_seen ? share : Vector{};
      At(d_scores + n) =
          is_seen ? (At(d_scores + n) - along) * share * scale : Vector{};
    }
  }
}

// Attention of one group's heads in one row.
class Attention {
 public:
  // (tokens, H K) `mixed`, (tokens, H) `weights` (none: null); backwards also the
  // gradients of mixed and of asked.
  Attention(const Asked& asked, const Rows& rows, float* mixed, float* weights,
            const float* d_mixed = nullptr, float* d_asked = nullptr)
      : asked_(asked), d_asked_{d_asked, asked.heads, asked.groups, asked.width},
        rows_(rows), mixed_(mixed), weights_(weights), d_mixed_(d_mixed),
        scale_(1 / std::sqrt(static_cast<float>(asked.width))) {}

  void Row(int64_t row, int64_t group) {
    static thread_local Memory memory;
    const int64_t first = row * rows_.size(), width = asked_.width;
    const int64_t places = rows_.places, length = rows_.length;
    const int64_t questions = 2 * PanelSize(places, width);
    const int64_t answers = 2 * PanelSize(length, width);
    float* panels = memory.Of(questions + answers +
                              2 * kQueries * (places + length + 2 * kLanes));
    scores_ = panels + questions + answers;
    const bool backward = d_mixed_;
    for (int64_t t = first; backward && t < first + rows_.size(); ++t) {
      std::fill_n(d_asked_.Key(t, group), width, 0.0f);
      std::fill_n(d_asked_.Value(t, group), width, 0.0f);
    }
    Keys question = InPanels(asked_, group, first, places, panels, backward);
    Through({{first, 0, 0, panels, panels}, question, 0}, group, places);
    question.count = rows_.lengths[row];
    question.columns = Whole(question.count, kLanes);
    for (int64_t n = 0; n < rows_.answers; ++n) {
      const int64_t begin = first + places + n * length;
      const Keys own =
          InPanels(asked_, group, begin, length, panels + questions, backward);
      Through({question, own, 0}, group, length);
    }
  }

 private:
  // All queries that are among the own keys.
  void Through(Seen seen, int64_t group, int64_t count) {
    const int64_t shared = asked_.heads / asked_.groups, first = seen.own.first;
    for (; seen.before < count; seen.before += kQueries) {
      const int64_t rows = std::min(kQueries, count - seen.before);
      seen.own.count = seen.before + rows;
      seen.own.columns = Whole(seen.own.count, kLanes);
      for (int64_t head = group * shared; head < (group + 1) * shared; ++head)
        if (d_mixed_)
          Backward(seen, group, head, first + seen.before, rows);
        else
          Forward(seen, group, head, first + seen.before, rows);
    }
  }

  void Forward(const Seen& seen, int64_t group, int64_t head, int64_t token,
               int64_t rows) {
    const int64_t down = asked_.heads * asked_.width;
    ProductsWith(asked_, seen, false, asked_.Query(token, head), asked_.down(), rows,
                 scores_);
    Softmax(seen, rows, scale_, scores_,
            weights_ ? weights_ + token * asked_.heads + head : nullptr, asked_.heads);
    float* mixed = mixed_ + token * down + head * asked_.width;
    const float* pattern = scores_;
    bool add = false;
    for (const Keys* each : {&seen.shared, &seen.own}) {
      if (each->count)
        MultiplyAll({pattern, seen.columns()}, rows, each->count,
                    asked_.Value(each->first, group), asked_.down(), kBlock,
                    asked_.width, mixed, down, add);
      add |= each->count > 0;
      pattern += each->columns;
    }
  }

  void Backward(const Seen& seen, int64_t group, int64_t head, int64_t token,
                int64_t rows) {
    const int64_t down = asked_.heads * asked_.width, columns = seen.columns();
    const int64_t place = token * down + head * asked_.width;
    const float *query = asked_.Query(token, head), *d_mixed = d_mixed_ + place;
    float* d_scores = scores_ + kQueries * columns;
    ProductsWith(asked_, seen, false, query, asked_.down(), rows, scores_);
    ProductsWith(asked_, seen, true, d_mixed, down, rows, d_scores);
    SoftmaxBackward(seen, rows, asked_.width, scale_,
                    weights_ + token * asked_.heads + head, asked_.heads,
                    mixed_ + place, d_mixed, down, scores_, d_scores);
    int64_t column = 0;
    for (const Keys* each : {&seen.shared, &seen.own}) {
      if (!each->count) continue;
      MultiplyAll({d_scores + column, columns}, rows, each->count,
                  asked_.Key(each->first, group), asked_.down(), kBlock, asked_.width,
                  d_asked_.Query(token, head), asked_.down(), column > 0);
      MultiplyAll({d_scores + column, 1, columns}, each->count, rows, query,
                  asked_.down(), kBlock, asked_.width,
                  d_asked_.Key(each->first, group), asked_.down(), true);
      MultiplyAll({scores_ + column, 1, columns}, each->count, rows, d_mixed, down,
                  kBlock, asked_.width, d_asked_.Value(each->first, group),
                  asked_.down(), true);
      column += each->columns;
    }
  }

  const Asked asked_, d_asked_;
  const Rows rows_;
  float *mixed_, *weights_;
  const float* d_mixed_;
  const float scale_;
  float* scores_ = nullptr;
};

}  // namespace nnguide

#endif  // NNGUIDE_ATTENTION_H_
