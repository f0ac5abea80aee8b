#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/answer.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/line_reader.h"
#include "cli/model_options.h"
#include "cli/sampling_options.h"
#include "model/companions.h"
#include "model/derive.h"
#include "octavo/error.h"
#include "text/template/model_template.h"

// `octavo chat`: a conversation in the terminal. Ctrl-C stops the answer, not the program.

namespace octavo::cli {
namespace {

// Without --max-model-len: enough for a long talk, and the cache stays small.
constexpr int64_t kUsualTokens = 16384;

struct Options {
  ModelOptions model;
  SamplingOptions sampling;
  std::string system;
};

EngineOptions engine_options(const Options& options, const ModelSpec& spec) {
  EngineOptions engine;
  engine.max_num_seqs = 1;
  engine.max_model_len = options.model.max_model_len > 0
                             ? options.model.max_model_len
                             : std::min(kUsualTokens, max_sequence_tokens(spec));
  return engine;
}

class Chat {
 public:
  Chat(const Options& options, const RunningModel& running)
      : options_(options),
        tokenizer_(read_tokenizer(running.directory)),
        templates_(read_templates(running.directory)),
        defaults_(read_generation_config(running.directory, running.model->spec.vocab)),
        engine_(running.model, *running.pool, [&] {
          EngineOptions engine = engine_options(options, running.model->spec);
          engine.eos = defaults_.eos;
          return engine;
        }()) {
    reset();
  }

  void reset() {
    messages_ = Json::array();
    if (!options_.system.empty()) add("system", options_.system);
  }

  // One line of JSON a message.
  void save(const std::string& path) const {
    std::string lines;
    for (const Json& message : messages_) lines += to_line(message) + "\n";
    write_file_atomically(path, lines);
  }

  // Asks, prints the answer as it comes and remembers both. Throws Error where the model can't be
  // asked that; the conversation is then as before.
  void ask(const std::string& text) {
    add("user", text);
    try {
      const std::string answer = answer_of(prompt());
      add("assistant", answer);
    } catch (...) {
      messages_.erase(messages_.size() - 1);
      throw;
    }
  }

 private:
  void add(const char* role, const std::string& content) {
    messages_.push_back({{"role", role}, {"content", content}});
  }

  std::vector<TokenId> prompt() const {
    const ChatTemplate* chat_template = templates_.pick(false);
    if (chat_template == nullptr) {
      std::string text;
      for (const Json& message : messages_)
        text += message["role"].get<std::string>() + ": " + message["content"].get<std::string>() +
                "\n";
      return tokenizer_.encode(text + "assistant:", Tokenizer::Specials::add);
    }
    Json context = {{"messages", messages_}, {"add_generation_prompt", true}};
    templates_.add_tokens(context);
    try {
      return tokenizer_.encode(chat_template->render(context));
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      throw Error(error.what(), "the chat template", "/reset starts anew");
    }
  }

  TextStream text_stream() const {
    TextStream::Stops stops{.texts = options_.sampling.stop,
                            .include = options_.sampling.include_stop};
    // Without a template the model would go on with the other side of the talk.
    if (templates_.pick(false) == nullptr) stops.texts.push_back("\nuser:");
    return TextStream(tokenizer_,
                      options_.sampling.keep_special ? Tokenizer::InOutput::keep_special
                                                     : Tokenizer::InOutput::skip_special,
                      std::move(stops));
  }

  std::string answer_of(std::vector<TokenId> ids) {
    const auto prompt_tokens = static_cast<int64_t>(ids.size());
    Request request;
    request.prompt = std::move(ids);
    request.sampling = sampling_params(options_.sampling, defaults_, options_.model.seed);
    Answer answer(prompt_tokens, text_stream(), [](std::string_view text) {
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    });
    const InterruptRequest interrupt;
    RequestId id = 0;
    id = engine_.submit(std::move(request), [&](const Event& event) {
      if (answer.take(event) || interrupt.requested()) engine_.abort(id);
    });
    engine_.run_until_idle();
    if (answer.finish() == Finish::rejected || answer.finish() == Finish::error)
      throw Error(answer.reason(), "this conversation", "/reset starts anew");
    std::printf("\n");
    return answer.text();
  }

  const Options& options_;
  Tokenizer tokenizer_;
  ModelTemplates templates_;
  GenerationConfig defaults_;
  Engine engine_;
  Json messages_;
};

constexpr const char* kHelp =
    "/reset      forget the conversation\n"
    "/save FILE  write it as JSONL\n"
    "/exit       leave (so does the end of input)\n"
    "Ctrl-C      stops the answer, or takes back what was typed\n";

// False: the person leaves.
bool obey(const std::string& line, Chat& chat) {
  const size_t space = line.find(' ');
  const std::string word = line.substr(0, space);
  const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
  if (word == "/exit" || word == "/quit") return false;
  if (word == "/reset") {
    chat.reset();
  } else if (word == "/save") {
    if (rest.empty()) throw Error("no file named", "/save", "write /save FILE");
    chat.save(rest);
  } else {
    std::fputs(kHelp, stdout);
  }
  return true;
}

int run_chat(const Options& options) {
  const RunningModel running = load(options.model);
  Chat chat(options, running);
  LineReader reader;
  bool going = true;
  while (going) {
    const std::optional<std::string> line = reader.read("> ");
    if (!line) break;
    if (line->empty()) continue;
    try {
      if (line->starts_with("/")) {
        going = obey(*line, chat);
      } else {
        chat.ask(*line);
      }
    } catch (const Error& error) {
      error_line(error.what());  // the conversation goes on
    }
  }
  return 0;
}

}  // namespace

std::function<int()> add_chat(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  add_model_options(app, options->model);
  app.add_option("--system", options->system, "what the model is told first");
  add_sampling_options(app, options->sampling);
  return [options] { return run_chat(*options); };
}

}  // namespace octavo::cli
