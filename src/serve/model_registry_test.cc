#include "serve/model_registry.h"

#include <gtest/gtest.h>

#include <future>

#include "octavo/error.h"
#include "serve/fake_engine.h"

namespace octavo::serve {
namespace {

using State = ModelRegistry::State;

// Three models of 100 bytes; "broken" cannot be loaded.
class ModelRegistryTest : public testing::Test {
 protected:
  ModelRegistry& make(RegistryOptions options = {}) {
    std::vector<Servable> models = {fake_servable("a", engines_[0]),
                                    fake_servable("b", engines_[1]),
                                    fake_servable("broken", engines_[2])};
    models[2].load = [](int64_t) -> LoadedModel {
      throw Error("no such file", "broken", "mend it");
    };
    registry_ = std::make_unique<ModelRegistry>(std::move(models), options);
    return *registry_;
  }
  struct Outcome {
    Lease lease;
    std::optional<ApiError> error;
  };
  std::future<Outcome> ask(const std::string& name) {
    auto promise = std::make_shared<std::promise<Outcome>>();
    registry_->acquire(name, [promise](Lease lease, const std::optional<ApiError>& error) {
      promise->set_value({std::move(lease), error});
    });
    return promise->get_future();
  }
  State state(size_t model) { return registry_->status().at(model).state; }

  FakeEngine engines_[3];
  std::unique_ptr<ModelRegistry> registry_;
};

TEST_F(ModelRegistryTest, a_request_brings_its_model_in) {
  make();
  EXPECT_EQ(state(1), State::unloaded);
  EXPECT_EQ(registry_->find_ready("b"), nullptr);
  const Outcome outcome = ask("b").get();
  ASSERT_TRUE(outcome.lease);
  EXPECT_EQ(outcome.lease->model->names.front(), "b");
  EXPECT_EQ(state(1), State::ready);
  EXPECT_EQ(state(0), State::unloaded);
}

TEST_F(ModelRegistryTest, an_unknown_name_is_not_found_and_none_is_the_first) {
  make();
  EXPECT_EQ(ask("zebra").get().error->status, 404);
  EXPECT_EQ(ask("").get().lease->model->names.front(), "a");
  EXPECT_EQ(registry_->load("zebra")->status, 404);
  EXPECT_EQ(registry_->unload("zebra")->status, 404);
}

TEST_F(ModelRegistryTest, a_model_that_cannot_be_loaded_says_so_and_may_be_tried_again) {
  make();
  for (int i = 0; i < 2; ++i) {
    const Outcome outcome = ask("broken").get();
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->status, 503);
    EXPECT_GT(outcome.error->retry_after_s, 0);
    EXPECT_EQ(state(2), State::failed);
  }
  EXPECT_THROW(registry_->load_now(2), Error);
}

TEST_F(ModelRegistryTest, a_model_in_use_is_unloaded_when_the_last_lease_ends) {
  make();
  Outcome first = ask("a").get();
  EXPECT_FALSE(registry_->unload("a"));
  std::future<Outcome> second = ask("a");  // waits for the model to go and to come back
  EXPECT_EQ(first.lease->model->names.front(), "a");
  first.lease.reset();
  EXPECT_TRUE(second.get().lease);
}

TEST_F(ModelRegistryTest, the_budget_is_kept_by_unloading_the_longest_unused) {
  make({.memory_budget_bytes = 250});
  registry_->load_now(0);
  EXPECT_FALSE(registry_->fits(1));
  EXPECT_TRUE(ask("b").get().lease);
  EXPECT_EQ(state(0), State::unloaded);
  EXPECT_EQ(state(1), State::ready);
}

TEST_F(ModelRegistryTest, the_budget_refuses_when_every_model_is_in_use) {
  make({.memory_budget_bytes = 250});
  const Outcome kept = ask("a").get();
  const Outcome refused = ask("b").get();
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->status, 503);
  EXPECT_TRUE(kept.lease);
  EXPECT_EQ(state(0), State::ready);
}

TEST_F(ModelRegistryTest, idle_models_go_and_waits_end) {
  make({.load_wait_s = 50, .idle_unload_s = 10});
  registry_->load_now(0);
  const auto now = ModelRegistry::Clock::now();
  registry_->tick(now + std::chrono::seconds(5));
  EXPECT_EQ(state(0), State::ready);
  {
    const Lease used = registry_->find_ready("a");
    registry_->tick(now + std::chrono::hours(1));
    EXPECT_EQ(state(0), State::ready);
  }
  registry_->tick(now + std::chrono::hours(2));
  EXPECT_TRUE(ask("a").get().lease);  // comes back whenever it went
}

TEST_F(ModelRegistryTest, a_wait_that_is_too_long_ends) {
  std::promise<void> go;
  std::vector<Servable> models = {fake_servable("slow", engines_[0])};
  const auto load = models[0].load;
  models[0].load = [&, load](int64_t bytes) {
    go.get_future().wait();
    return load(bytes);
  };
  registry_ = std::make_unique<ModelRegistry>(std::move(models), RegistryOptions{.load_wait_s = 9});
  std::future<Outcome> outcome = ask("slow");
  registry_->tick(ModelRegistry::Clock::now() + std::chrono::seconds(10));
  EXPECT_EQ(outcome.get().error->status, 503);
  go.set_value();
}

TEST_F(ModelRegistryTest, too_many_waiters_are_refused) {
  std::promise<void> go;
  std::vector<Servable> models = {fake_servable("slow", engines_[0])};
  const auto load = models[0].load;
  models[0].load = [&, load](int64_t bytes) {
    go.get_future().wait();
    return load(bytes);
  };
  registry_ = std::make_unique<ModelRegistry>(std::move(models), RegistryOptions{.max_waiting = 1});
  std::future<Outcome> first = ask("slow");
  EXPECT_EQ(ask("slow").get().error->status, 503);
  go.set_value();
  EXPECT_TRUE(first.get().lease);
}

TEST_F(ModelRegistryTest, drain_refuses_those_who_wait) {
  make();
  registry_->load_now(0);
  registry_->drain(0);
  EXPECT_EQ(ask("b").get().error->status, 503);
}

}  // namespace
}  // namespace octavo::serve
