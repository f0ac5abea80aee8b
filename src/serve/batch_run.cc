#include "serve/batch_run.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/json.h"
#include "octavo/error.h"

namespace octavo::serve {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxLineBytes = size_t{64} << 20;
constexpr size_t kMaxIdBytes = 1024;
constexpr int kTooMany = 429, kUnavailable = 503;

std::string problem_of(int error) {
  return std::error_code(error, std::generic_category()).message();
}

// Like std::getline, but keeps no more than the limit of a line.
bool read_line(std::istream& in, std::string& line, bool& too_long) {
  line.clear();
  too_long = false;
  std::streambuf& buffer = *in.rdbuf();
  bool any = false;
  for (int c = buffer.sbumpc(); c != std::char_traits<char>::eof(); c = buffer.sbumpc()) {
    any = true;
    if (c == '\n') return true;
    if (line.size() < kMaxLineBytes) {
      line += static_cast<char>(c);
    } else {
      too_long = true;
    }
  }
  return any;
}

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Json error_json(int status, const std::string& message) {
  return {{"message", message},
          {"type", status == 0 ? "InvalidLineError" : "BadRequestError"},
          {"param", nullptr},
          {"code", status == 0 ? 400 : status}};
}

}  // namespace

BatchOutput::BatchOutput(const fs::path& path) : path_(path) {
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND, 0644);
  if (fd_ < 0) {
    throw Error("cannot be opened: " + problem_of(errno), path.string(),
                "give -o a file that may be written");
  }
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd_);
    throw Error("another run writes it", path.string(), "wait for that one or give another -o");
  }
  try {
    read_back();
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

BatchOutput::~BatchOutput() { ::close(fd_); }

void BatchOutput::read_back() {
  std::ifstream in(path_, std::ios::binary);
  std::string text;
  for (bool too_long = false; read_line(in, text, too_long);) {
    const auto next = end_ + static_cast<int64_t>(text.size()) + 1;
    const bool torn = too_long || next > static_cast<int64_t>(fs::file_size(path_));
    if (torn && text.front() == '{') break;
    const Json line = Json::parse(text, nullptr, false);
    const std::string id = line.is_object() ? text_at(line, "id") : "";
    if (id.empty()) {
      throw Error("is not the output of a batch (at byte " + std::to_string(end_) + ")",
                  path_.string(), "give -o another file");
    }
    ids_.insert(id);
    if (const std::string custom = text_at(line, "custom_id"); !custom.empty()) {
      custom_ids_.insert(custom);
    }
    end_ = next;
  }
  if (::ftruncate(fd_, end_) != 0) {
    throw Error("cannot be written: " + problem_of(errno), path_.string(),
                "give -o a file that may be written");
  }
}

void BatchOutput::append(const Json& record) {
  const std::string text = to_line(record) + "\n";
  for (size_t done = 0; done < text.size();) {
    const ssize_t put = ::write(fd_, text.data() + done, text.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      const int error = errno;
      // A torn line stays if this fails too; the next run removes it.
      [[maybe_unused]] const int ignored = ::ftruncate(fd_, end_);
      throw Error("cannot be written: " + problem_of(error), path_.string(),
                  "make room and run again: what is recorded is not done again",
                  Error::Kind::failure);
    }
    done += static_cast<size_t>(put);
  }
  end_ += static_cast<int64_t>(text.size());
  ids_.insert(text_at(record, "id"));
  if (const std::string custom = text_at(record, "custom_id"); !custom.empty()) {
    custom_ids_.insert(custom);
  }
}

BatchRun::BatchRun(Options options, Ask ask)
    : options_(std::move(options)), ask_(std::move(ask)), output_(options_.output) {}

BatchRun::Result BatchRun::run() {
  std::ifstream in(options_.input, std::ios::binary);
  std::error_code ignored;
  if (!in || fs::is_directory(options_.input, ignored)) {
    throw Error("cannot be read", options_.input.string(), "give -i a file of requests");
  }
  if (fs::equivalent(options_.input, options_.output, ignored)) {
    throw Error("input and output are one file", options_.input.string(), "give -o another file");
  }
  try {
    std::string text;
    for (bool too_long = false; read_line(in, text, too_long);) {
      if (options_.stop && options_.stop()) {
        result_.stopped = true;
        break;
      }
      ++result_.lines;
      if (text.find_first_not_of(" \t\r") != std::string::npos) take_line(text, too_long);
    }
    collect(0);
  } catch (...) {
    std::unique_lock lock(mutex_);
    answered_.wait(lock, [this] { return static_cast<int64_t>(answers_.size()) == in_flight_; });
    throw;
  }
  return result_;
}

void BatchRun::take_line(const std::string& text, bool too_long) {
  Line line{.id = "line-" + std::to_string(result_.lines), .custom_id = {}, .url = {}};
  std::string problem = too_long ? "the line is longer than 64 MiB" : "";
  Json request;
  if (problem.empty()) {
    try {
      request = parse_json(text, "the line");
      if (!request.is_object()) problem = "the line is not a JSON object";
    } catch (const Error& error) {
      problem = "the line is not acceptable JSON: " + error.problem();
    }
  }
  if (problem.empty()) {
    line.custom_id = text_at(request, "custom_id");
    line.url = text_at(request, "url");
    const std::string method = text_at(request, "method");
    const auto body = request.find("body");
    if (line.custom_id.empty() || line.custom_id.size() > kMaxIdBytes) {
      line.custom_id.clear();
      problem = "custom_id must be a string of 1 to 1024 bytes";
    } else if (method != "POST") {
      problem = "method must be POST";
    } else if (line.url.empty() || line.url.front() != '/') {
      problem = "url must be a path such as /v1/chat/completions";
    } else if (body == request.end() || !body->is_object()) {
      problem = "body must be an object";
    } else if (body->contains("stream") && (*body)["stream"] != false) {
      problem = "a batch has no streams: leave stream out";
    }
  }
  if (line.custom_id.empty() ? output_.has_id(line.id) : output_.has_custom_id(line.custom_id)) {
    asked_.contains(line.custom_id) ? ++result_.repeated : ++result_.resumed;
    return;
  }
  if (!line.custom_id.empty() && !asked_.insert(line.custom_id).second) {
    ++result_.repeated;
    return;
  }
  if (!problem.empty()) return record_error(line, problem);
  collect(options_.in_flight - 1);
  {
    const std::lock_guard lock(mutex_);
    ++in_flight_;
  }
  HttpRequest http{.method = "POST",
                   .path = line.url,
                   .content_type = "application/json",
                   .body = to_line(request["body"])};
  ask_(std::move(http), [this, line](HttpResponse response) {
    const std::lock_guard lock(mutex_);
    answers_.push_back({line, std::move(response)});
    answered_.notify_all();
  });
}

// Records what is answered until no more than so many are in flight.
void BatchRun::collect(int64_t most_in_flight) {
  std::unique_lock lock(mutex_);
  for (;;) {
    answered_.wait(lock, [&] { return !answers_.empty() || in_flight_ <= most_in_flight; });
    if (answers_.empty()) return;
    const Answer answer = std::move(answers_.front());
    answers_.pop_front();
    --in_flight_;
    lock.unlock();
    record(answer);
    lock.lock();
  }
}

void BatchRun::record(const Answer& answer) {
  const int status = answer.response.status;
  // Stopped before its time: the next run asks again.
  if (status == kTooMany || status == kUnavailable) {
    ++result_.failed;
    result_.stopped = true;
    return;
  }
  Json body = Json::parse(answer.response.body, nullptr, false);
  if (body.is_discarded()) body = nullptr;
  const std::string request_id = body.is_object() ? text_at(body, "id") : "";
  Json record = {{"id", answer.line.id}, {"custom_id", answer.line.custom_id}};
  Json error = nullptr;
  if (status >= 400) {
    error = body.is_object() && body.contains("error")
                ? body["error"]
                : error_json(status, "the request failed with status " + std::to_string(status));
  }
  record["response"] = {{"status_code", status},
                        {"request_id", request_id.empty() ? answer.line.id : request_id},
                        {"body", std::move(body)}};
  record["error"] = std::move(error);
  output_.append(record);
  ++(status >= 400 ? result_.failed : result_.answered);
  if (options_.progress) options_.progress(output_.recorded());
}

void BatchRun::record_error(const Line& line, const std::string& problem) {
  output_.append({{"id", line.id},
                  {"custom_id", line.custom_id.empty() ? Json(nullptr) : Json(line.custom_id)},
                  {"response", nullptr},
                  {"error", error_json(0, problem)}});
  ++result_.failed;
  if (options_.progress) options_.progress(output_.recorded());
}

}  // namespace octavo::serve
