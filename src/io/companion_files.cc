#include "io/companion_files.h"

#include <algorithm>
#include <string>

#include "base/atomic_file.h"
#include "base/file.h"

namespace octavo {

void copy_companions(const std::filesystem::path& from, const std::filesystem::path& to,
                     std::span<const std::string_view> without) {
  constexpr uint64_t kMaxBytes = uint64_t{128} << 20;
  for (const auto& entry : std::filesystem::directory_iterator(from)) {
    const std::string name = entry.path().filename().string();
    const bool weights = name.ends_with(".safetensors") || name.ends_with(".bin") ||
                         name.ends_with(".gguf") || name.ends_with(".pt") ||
                         name.ends_with(".pth") || name.ends_with(".index.json");
    if (!entry.is_regular_file() || weights || name == "config.json" ||
        name.starts_with("quantization_report.") ||
        std::ranges::find(without, name) != without.end() || entry.file_size() > kMaxBytes)
      continue;
    write_file_atomically(to / name, read_file(entry.path(), kMaxBytes));
  }
}

}  // namespace octavo
