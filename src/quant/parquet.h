#pragma once

#include <cstdint>
#include <filesystem>

#include "base/file.h"

namespace octavo::quant {

struct ParquetRows {
  int64_t most = 100'000;
  bool shuffled = false;  // groups of rows in an order that `seed` draws
  uint64_t seed = 0;
};

// The rows of a parquet file as JSONL: {"text"}, {"messages"} or {"ids"} from its column of that
// name (or content, conversations, input_ids). A python3 with pyarrow does it; OCTAVO_PYTHON names
// another interpreter. The file returned has no name any more and goes with its last reader. Throws
// Error when there is no such Python, or it finds no such column.
File parquet_as_lines(const std::filesystem::path& file, const ParquetRows& rows);

}  // namespace octavo::quant
