#include "quant/parquet.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "octavo/error.h"

namespace octavo::quant {
namespace {

namespace fs = std::filesystem;

// Given to `python -c`, so that an installed program needs no file beside it. Arguments: file, rows
// at most, seed or -1. Status 3: no pyarrow, 4: no column, 5: not readable.
constexpr const char* kScript = R"py(
import json, random, sys
try:
    import pyarrow.parquet as parquet
except ImportError:
    sys.exit(3)
KEYS = {"text": "text", "content": "text", "messages": "messages", "conversations": "messages",
        "ids": "ids", "input_ids": "ids"}
try:
    source = parquet.ParquetFile(sys.argv[1])
    column = next((name for name in KEYS if name in source.schema_arrow.names), None)
    if column is None:
        sys.exit(4)
    groups, left = list(range(source.num_row_groups)), int(sys.argv[2])
    if int(sys.argv[3]) >= 0:
        random.Random(int(sys.argv[3])).shuffle(groups)
    for group in groups:
        for batch in source.iter_batches(batch_size=256, row_groups=[group], columns=[column]):
            for value in batch.column(0).to_pylist():
                if left > 0 and value:
                    print(json.dumps({KEYS[column]: value}))
                    left -= 1
        if left <= 0:
            break
except Exception:
    sys.exit(5)
)py";

constexpr int kNoPyarrow = 3, kNoColumn = 4;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// Runs python with `out` as its output; its exit status, 127 where it cannot be started.
int run_python(const std::vector<std::string>& args, int out) {
  const char* chosen = std::getenv("OCTAVO_PYTHON");
  std::string python = chosen != nullptr && *chosen != '\0' ? chosen : "python3";
  std::vector<std::string> copies = args;
  std::vector<char*> argv{python.data()};
  for (std::string& arg : copies) argv.push_back(arg.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, python.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return 127;
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

[[noreturn]] void fail(int status, const std::string& file) {
  if (status == 127)
    throw Error("reading parquet needs python3 with pyarrow, and there is no python3", file,
                "install them, name one in OCTAVO_PYTHON, or convert the file to JSONL");
  if (status == kNoPyarrow)
    throw Error("reading parquet needs pyarrow, which this python3 lacks", file,
                "install it with `pip install pyarrow`, or convert the file to JSONL");
  if (status == kNoColumn)
    throw Error("no column text, content, messages, conversations, ids or input_ids", file,
                "name another file, or convert it to JSONL with \"text\"");
  throw Error("cannot be read as parquet", file, "fetch it again, or convert it to JSONL");
}

}  // namespace

File parquet_as_lines(const fs::path& file, const ParquetRows& rows) {
  std::string temporary = (fs::temp_directory_path() / "octavo-parquet-XXXXXX").string();
  const Descriptor out(mkostemp(temporary.data(), O_CLOEXEC));
  if (out.get() < 0)
    throw Error(std::string("cannot be written: ") + std::strerror(errno), temporary,
                "set TMPDIR to a folder with space", Error::Kind::failure);
  // Without its name it cannot be left behind.
  const std::string still_open = "/proc/self/fd/" + std::to_string(out.get());
  unlink(temporary.c_str());
  const int64_t seed = rows.shuffled ? static_cast<int64_t>(rows.seed & INT64_MAX) : -1;
  const int status = run_python(
      {"-c", kScript, file.string(), std::to_string(rows.most), std::to_string(seed)}, out.get());
  if (status != 0) fail(status, file.string());
  return File(still_open);
}

}  // namespace octavo::quant
