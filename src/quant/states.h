#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/memory.h"
#include "tensor/view.h"

namespace octavo::quant {

// The hidden states of all calibration rows between two layers [rows, features]: in memory, or in
// files of the job's folder where they would take more than they may. A layer's results are written
// while its inputs are still being read, rows by rows. Files also let an interrupted job go on.
class States {
 public:
  struct Limits {
    uint64_t memory_bytes = 0;  // above this they stay on disk
    bool keep = true;           // save() writes files
  };
  States(std::filesystem::path folder, std::string name, int64_t rows, int64_t features,
         const Limits& limits);
  ~States();
  States(const States&) = delete;
  States& operator=(const States&) = delete;

  bool in_memory() const { return memory_.size_bytes() > 0; }
  // All rows of the current states. REQUIRES: in_memory.
  Mat all();
  // Rows from first_row of the current states; of the next ones. In memory the two are one: rows
  // that were written are gone from the current ones.
  void read(int64_t first_row, Mat out) const;
  void write(int64_t first_row, ConstMat in);

  // The next states become the current ones, those before layer `layer`; returns the hash under
  // which restore() finds them, or nothing when they could not be saved (a full disk costs the
  // resume its speed, no more).
  std::optional<uint64_t> advance(int64_t layer);
  // Reads what advance(layer) saved. False: not there, or damaged.
  bool restore(int64_t layer, uint64_t hash);

 private:
  std::filesystem::path file_of(int64_t layer) const;
  void open_next();
  void remove_old(int64_t keep) const;

  std::filesystem::path folder_;
  std::string name_;
  int64_t rows_, features_;
  Limits limits_;
  HugeBuffer memory_;
  int current_ = -1, next_ = -1;  // descriptors, where not in memory
  int64_t next_layer_ = 0;
};

}  // namespace octavo::quant
