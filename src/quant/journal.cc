#include "quant/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>

#include "base/file.h"
#include "base/file_error.h"
#include "base/json.h"
#include "octavo/error.h"

namespace octavo::quant {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxBytes = uint64_t{1} << 30;

constexpr const char* kWhenFull = "free some space, then go on with --resume";

Json hash_to_json(const std::optional<uint64_t>& hash) {
  return hash ? Json(std::to_string(*hash)) : Json(nullptr);
}

std::optional<uint64_t> hash_from(const Json& json) {
  if (!json.is_string()) return std::nullopt;
  return std::stoull(json.get<std::string>());
}

}  // namespace

Journal::Journal(const fs::path& folder, const std::string& fingerprint) : path_(folder / kName) {
  const bool resumed = read(fingerprint);
  if (!resumed) steps_.clear(), layers_.clear();
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (resumed ? 0 : O_TRUNC),
               0666);
  if (fd_ < 0) fail_io("cannot create", path_, errno, kWhenFull);
  if (!resumed) append({{"job", fingerprint}});
}

Journal::~Journal() {
  if (fd_ >= 0) ::close(fd_);
}

// False where there is no journal of this job. Whole lines only: what a kill cut short is cut off.
bool Journal::read(const std::string& fingerprint) {
  std::error_code code;
  if (!fs::is_regular_file(path_, code)) return false;
  const std::string text = read_file(path_, kMaxBytes);
  size_t good = 0;
  bool ours = false;
  for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    try {
      const Json line = parse_json(std::string_view(text).substr(at, end - at), path_.string());
      if (at == 0) {
        ours = line.value("job", "") == fingerprint;
        if (!ours) return false;
      } else if (line.contains("step")) {
        steps_[line.at("step").get<std::string>()] = line.at("result");
      } else {
        layers_.push_back({outcome_from(line.at("report")), hash_from(line.at("states")),
                           hash_from(line.at("float_states"))});
      }
    } catch (const std::exception&) {
      break;  // damaged from here on
    }
    good = end + 1;
  }
  if (ours && good < text.size()) fs::resize_file(path_, good, code);
  return ours;
}

void Journal::append(const Json& line) {
  const std::string text = to_line(line) + "\n";
  // In one write, so that a kill leaves all of it or a line without an end.
  const ssize_t wrote = ::write(fd_, text.data(), text.size());
  if (wrote != static_cast<ssize_t>(text.size()))
    fail_io("cannot write", path_, wrote < 0 ? errno : ENOSPC, kWhenFull);
  if (::fdatasync(fd_) != 0) fail_io("cannot sync", path_, errno, kWhenFull);
}

const Json* Journal::step(const std::string& name) const {
  const auto found = steps_.find(name);
  return found == steps_.end() ? nullptr : &found->second;
}

void Journal::finish_step(const std::string& name, const Json& result) {
  append({{"step", name}, {"result", result}});
  steps_[name] = result;
}

void Journal::finish_layer(Layer layer) {
  append({{"layer", layers_.size()},
          {"states", hash_to_json(layer.states)},
          {"float_states", hash_to_json(layer.float_states)},
          {"report", to_json(layer.report)}});
  layers_.push_back(std::move(layer));
}

}  // namespace octavo::quant
