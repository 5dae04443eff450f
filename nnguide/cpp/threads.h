// Work on the threads of XLA's pool, and their memory.

#ifndef NNGUIDE_THREADS_H_
#define NNGUIDE_THREADS_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace nnguide {

// Calls work(number) for each number below `count` on the threads of the pool and on
// this one. Who is free takes the next number, so that a pool that is busy with other
// things delays nothing.
inline void InParallel(xla::ffi::ThreadPool& pool, int64_t count,
                       const std::function<void(int64_t)>& work) {
  struct Shared {
    std::atomic<int64_t> next{0}, done{0};
  };
  auto shared = std::make_shared<Shared>();
  // A thread that comes late finds no number left, and never touches `work`, which is
  // gone by then.
  const auto run = [shared, count, &work] {
    for (int64_t n; (n = shared->next.fetch_add(1)) < count;) {
      work(n);
      shared->done.fetch_add(1, std::memory_order_release);
    }
  };
  const int64_t helpers = std::min(pool.num_threads(), count) - 1;
  for (int64_t n = 0; n < helpers; ++n) pool.Schedule(std::function<void()>(run));
  run();
  while (shared->done.load(std::memory_order_acquire) < count) {
    std::this_thread::yield();
  }
}

// Memory that is kept from use to use; it begins where a line of the cache does.
class Memory {
 public:
  float* Of(int64_t size) {
    constexpr uintptr_t line = 64;
    const size_t wanted = size + line / sizeof(float);
    if (floats_.size() < wanted) {
      floats_ = {};  // not copied
      floats_.resize(wanted);
    }
    const uintptr_t place = reinterpret_cast<uintptr_t>(floats_.data());
    return reinterpret_cast<float*>((place + line - 1) / line * line);
  }

 private:
  std::vector<float> floats_;
};

// Memory for one call, whichever thread makes it: no more is kept than calls ever ran
// side by side.
class Borrowed {
 public:
  Borrowed() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) free_.push_back(std::make_unique<Memory>());
    memory_ = std::move(free_.back());
    free_.pop_back();
  }
  ~Borrowed() {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(std::move(memory_));
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  float* Of(int64_t size) { return memory_->Of(size); }

 private:
  static inline std::mutex mutex_;
  static inline std::vector<std::unique_ptr<Memory>> free_;
  std::unique_ptr<Memory> memory_;
};

}  // namespace nnguide

#endif  // NNGUIDE_THREADS_H_
