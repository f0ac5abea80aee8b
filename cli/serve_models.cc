#include "cli/serve_models.h"

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/generation_config.h"
#include "cli/memory_report.h"
#include "model/companions.h"
#include "model/source.h"
#include "octavo/error.h"
#include "serve/prompts.h"
#include "text/template/model_template.h"

namespace octavo::cli {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxTemplateBytes = uint64_t{4} << 20;

using Render = std::function<std::string(const Json&)>;

std::string render(const ChatTemplate& chosen, const ModelTemplates& model, const Json& variables) {
  Json context = variables;
  model.add_tokens(context);
  try {
    return chosen.render(context);
  } catch (const TemplateError& error) {
    throw Error(error.message(), "chat template", "change the messages");
  }
}

// The template of --chat-template, of the model, or a plain one of our own.
Render chat_renderer(const std::string& file, const fs::path& directory) {
  const auto model = std::make_shared<const ModelTemplates>(read_templates(directory));
  if (!file.empty()) {
    const ChatTemplate chosen = ChatTemplate::compile(read_file(file, kMaxTemplateBytes), file);
    return [chosen, model](const Json& variables) { return render(chosen, *model, variables); };
  }
  if (model->pick(false) == nullptr) {
    log_line("the model has no chat template: conversations become plain lines of text");
    return serve::render_plain;
  }
  return [model](const Json& variables) {
    const bool tools = variables.contains("tools") && !variables["tools"].is_null();
    return render(*model->pick(tools), *model, variables);
  };
}

std::optional<float> narrowed(const std::optional<double>& value) {
  return value ? std::optional(static_cast<float>(*value)) : std::nullopt;
}

serve::LoadedModel load_for_serving(const ServedModelOptions& options, const ModelOptions& model,
                                    int64_t cache_bytes) {
  EngineOptions planned = options.engine;
  if (cache_bytes > 0 && planned.num_blocks == 0 && planned.kv_cache_bytes == 0) {
    planned.kv_cache_bytes = cache_bytes;
  }
  const MemoryPlan plan = memory_plan(model, planned);
  log_line(memory_line(plan));
  const auto running = std::make_shared<RunningModel>(load(model));
  const int64_t vocab = running->model->spec.vocab;
  const std::string& from = options.generation_config;
  const fs::path directory = from == "auto" || from == "vllm" ? running->directory : fs::path(from);
  const GenerationConfig config = read_generation_config(directory, vocab);
  auto served = std::make_shared<serve::ServedModel>(
      serve::ServedModel{.tokenizer = read_tokenizer(running->directory),
                         .render = chat_renderer(options.chat_template, running->directory)});
  served->limits.vocab = vocab;
  served->limits.max_logprobs = options.max_logprobs;
  if (from != "vllm") {
    served->defaults = {.temperature = narrowed(config.temperature),
                        .top_p = narrowed(config.top_p),
                        .min_p = narrowed(config.min_p),
                        .repetition_penalty = narrowed(config.repetition_penalty),
                        .top_k = config.top_k};
  }
  EngineOptions engine = options.engine;
  engine.max_model_len = model.max_model_len;
  engine.priority_scheduling = options.scheduling_policy == "priority";
  engine.eos = config.eos;
  if (!engine.prefix_files.directory.empty()) {
    const Config whole = read_config(running->directory).with(model.hf_overrides);
    engine.prefix_files.model = to_line(whole.json()) + model.dtype;
  }
  engine.num_blocks = plan.options.num_blocks;  // as it was said
  auto started = std::make_unique<Engine>(running->model, *running->pool, engine);
  const auto weights = static_cast<int64_t>(running->model->weight_bytes());
  const int64_t bytes = weights + started->options().kv_cache_bytes;
  return {.served = std::move(served),
          .engine = std::make_unique<serve::RealEngine>(running, std::move(started)),
          .bytes = bytes};
}

bool is_weight_file(const fs::path& path) {
  const std::string extension = path.extension();
  return extension == ".safetensors" || extension == ".bin" || extension == ".gguf" ||
         extension == ".pt" || extension == ".pth";
}

// About what the weights take in memory: what they take on disk.
int64_t weight_bytes(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    return static_cast<int64_t>(fs::file_size(path, ignored));
  }
  int64_t bytes = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, ignored)) {
    if (is_weight_file(entry.path())) bytes += static_cast<int64_t>(entry.file_size(ignored));
  }
  return bytes;
}

std::vector<std::string> names_of(const ServedModelOptions& options, size_t place) {
  const bool one = options.models.size() == 1;
  if (one && !options.names.empty()) return options.names;
  if (place < options.names.size()) return {options.names[place]};
  return {options.models[place]};
}

}  // namespace

std::vector<serve::Servable> servable_models(const ServedModelOptions& options) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto shared = std::make_shared<const ServedModelOptions>(options);
  std::vector<serve::Servable> models;
  std::set<std::string> known;
  for (size_t i = 0; i < options.models.size(); ++i) {
    ModelOptions model = options.model;
    model.model = options.models[i];
    serve::Servable servable{
        .names = names_of(options, i),
        .root = model.model,
        .weight_bytes = weight_bytes(model_directory(model)),
        .created = std::chrono::duration_cast<std::chrono::seconds>(now).count()};
    for (const std::string& name : servable.names) {
      if (known.insert(name).second) continue;
      throw Error("two models are called " + name, "--served-model-name",
                  "give each model a name of its own");
    }
    servable.load = [shared, model](int64_t cache_bytes) {
      return load_for_serving(*shared, model, cache_bytes);
    };
    models.push_back(std::move(servable));
  }
  return models;
}

}  // namespace octavo::cli
