#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <set>
#include <string>

#include "base/json_fwd.h"
#include "serve/http.h"

namespace octavo::serve {

// The output of a batch: JSON lines, one for each line of the input, in the order in which they are
// finished. Each appears by one write at the end of the file, so whatever stops the program leaves
// whole lines and at most one torn one, which the next run removes; what is recorded is not done
// again.
class BatchOutput {
 public:
  // Reads what is recorded and holds the file against other runs. Throws Error when it cannot, or
  // when the file holds something that no batch wrote.
  explicit BatchOutput(const std::filesystem::path& path);
  ~BatchOutput();
  BatchOutput(const BatchOutput&) = delete;
  BatchOutput& operator=(const BatchOutput&) = delete;

  // Whether a line with this custom_id, or without one this `id`, is there.
  bool has_custom_id(const std::string& custom_id) const { return custom_ids_.contains(custom_id); }
  bool has_id(const std::string& id) const { return ids_.contains(id); }
  // Throws Error when it cannot be written; nothing of the line is left then.
  void append(const Json& record);
  int64_t recorded() const { return static_cast<int64_t>(ids_.size()); }

 private:
  void read_back();

  std::filesystem::path path_;
  int fd_ = -1;
  int64_t end_ = 0;  // of the last whole line
  std::set<std::string> custom_ids_, ids_;
};

// Runs the requests of a batch file through `ask`: {custom_id, method, url, body} a line.
//
// Each custom_id is answered once, however often the run is killed and begun again. A line that is
// no request gets a record with an error, as does one that asks for a stream; the others go on.
class BatchRun {
 public:
  using Done = std::function<void(HttpResponse)>;
  struct Options {
    std::filesystem::path input, output;
    int64_t in_flight = 64;                      // requests at a time
    std::function<bool()> stop = {};             // asked between requests: no new ones
    std::function<void(int64_t)> progress = {};  // lines of the input that have their record
  };
  // `ask` gets each request, in the caller's thread, and calls `done` once, from any thread.
  using Ask = std::function<void(HttpRequest, Done done)>;

  BatchRun(Options options, Ask ask);

  struct Result {
    int64_t lines = 0, resumed = 0, answered = 0, failed = 0, repeated = 0;
    bool stopped = false;
  };
  // Throws Error when a file cannot be read or written; requests in flight are waited for first.
  Result run();

 private:
  struct Line {
    std::string id, custom_id, url;
  };
  struct Answer {
    Line line;
    HttpResponse response;
  };

  void take_line(const std::string& text, bool too_long);
  void record_error(const Line& line, const std::string& problem);
  void record(const Answer& answer);
  void collect(int64_t most_in_flight);

  const Options options_;
  const Ask ask_;
  BatchOutput output_;
  Result result_;
  std::set<std::string> asked_;

  std::mutex mutex_;  // guards the following
  std::condition_variable answered_;
  std::deque<Answer> answers_;
  int64_t in_flight_ = 0;
};

}  // namespace octavo::serve
