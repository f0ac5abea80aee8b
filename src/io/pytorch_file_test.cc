#include "io/pytorch_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "io/checkpoint.h"
#include "octavo/error.h"
#include "tensor/convert.h"

// Files that torch.save wrote (tools/make_pytorch_fixtures.py): every tensor counts upwards.

namespace octavo {
namespace {

namespace fs = std::filesystem;

const fs::path kFiles = "tests/data/pytorch";

class PytorchFile : public testing::Test {
 protected:
  PytorchFile()
      : directory_(fs::path(testing::TempDir()) /
                   testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  ~PytorchFile() override { fs::remove_all(directory_); }

  Checkpoint open(const std::string& file, const char* as = "pytorch_model.bin") {
    fs::copy_file(kFiles / file, directory_ / as, fs::copy_options::overwrite_existing);
    return Checkpoint::open(directory_);
  }
  std::string problem_of(const std::string& file) {
    try {
      open(file);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  void write(const char* name, const std::string& bytes) {
    std::ofstream(directory_ / name, std::ios::binary) << bytes;
  }

  fs::path directory_;
};

std::vector<float> values(const Checkpoint& checkpoint, const std::string& name) {
  const TensorEntry& entry = checkpoint.get(name);
  std::vector<float> out(static_cast<size_t>(entry.elements()));
  to_floats(entry.dtype, checkpoint.read_all(entry), out);
  return out;
}

std::vector<float> counting(int count, float start = 0, float step = 1) {
  std::vector<float> all;
  for (int i = 0; i < count; ++i) all.push_back(start + step * static_cast<float>(i));
  return all;
}

TEST_F(PytorchFile, gives_views_of_one_storage_in_the_order_of_their_shapes) {
  for (const char* file : {"views.bin", "views_legacy.bin"}) {
    const Checkpoint c = open(file);
    EXPECT_EQ(values(c, "base"), counting(24)) << file;
    EXPECT_EQ(values(c, "tied"), counting(24)) << file;
    EXPECT_TRUE(c.same_bytes(c.get("base"), c.get("tied"))) << file;
    EXPECT_EQ(values(c, "rows"), counting(12, 6)) << file;
    EXPECT_EQ(values(c, "every_second"), (std::vector<float>{0, 3, 12, 15})) << file;
    EXPECT_EQ(values(c, "columns"), (std::vector<float>{1, 2, 3, 7, 8, 9, 13, 14, 15, 19, 20, 21}))
        << file;
    EXPECT_EQ(values(c, "last"), (std::vector<float>{23})) << file;
    EXPECT_EQ(values(c, "scalar"), (std::vector<float>{7.5})) << file;
    EXPECT_EQ(c.get("empty").shape, (std::vector<int64_t>{0, 3})) << file;
    EXPECT_EQ(c.get("transposed").shape, (std::vector<int64_t>{6, 4})) << file;
    std::vector<float> transposed, permuted;
    for (int r = 0; r < 6; ++r) {
      for (int k = 0; k < 4; ++k) transposed.push_back(static_cast<float>(k * 6 + r));
    }
    for (int c3 = 0; c3 < 4; ++c3) {
      for (int a = 0; a < 2; ++a) {
        for (int b = 0; b < 3; ++b)
          permuted.push_back(static_cast<float>(100 + a * 12 + b * 4 + c3));
      }
    }
    EXPECT_EQ(values(c, "transposed"), transposed) << file;
    EXPECT_EQ(values(c, "permuted"), permuted) << file;
  }
}

TEST_F(PytorchFile, reads_any_part_of_a_view) {
  const Checkpoint c = open("views.bin");
  for (const char* name : {"transposed", "permuted", "columns"}) {
    const auto whole = c.read_all(c.get(name));
    for (size_t begin = 0; begin <= whole.size(); begin += 4) {
      for (size_t end = begin; end <= whole.size(); end += 4) {
        std::vector<std::byte> part(end - begin);
        c.read(c.get(name), begin, part);
        ASSERT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + begin))
            << name << " " << begin << " to " << end;
      }
    }
  }
}

TEST_F(PytorchFile, knows_the_types_that_torch_has) {
  const Checkpoint c = open("types.bin");
  EXPECT_EQ(c.names().size(), 15u);
  for (const std::string& name : c.names()) {
    const auto wanted = name == "bool" ? std::vector<float>{0, 1, 1, 1, 1} : counting(5);
    EXPECT_EQ(values(c, name), wanted) << name;
  }
}

TEST_F(PytorchFile, finds_the_state_dict_of_modules_and_trainers) {
  for (const char* form : {".bin", "_legacy.bin"}) {
    const Checkpoint module = open(std::string("module") + form);
    EXPECT_EQ(module.names(),
              (std::vector<std::string>{"0.bias", "0.weight", "1.bias", "1.weight"}));
    EXPECT_EQ(values(module, "0.bias"), counting(2, 10));
    EXPECT_EQ(values(open(std::string("parameter") + form), "w"), counting(6));
    const Checkpoint nested = open(std::string("nested") + form);
    EXPECT_EQ(nested.names(), (std::vector<std::string>{"w"}));  // "module." is a wrapper's
    EXPECT_EQ(values(nested, "w"), counting(6));
    EXPECT_NE(nested.where("w").find("tensor w"), std::string::npos);
  }
}

TEST_F(PytorchFile, refuses_by_name_what_would_have_to_be_run) {
  for (const char* file : {"stranger.bin", "stranger_legacy.bin"})
    EXPECT_NE(problem_of(file).find("__main__.Stranger"), std::string::npos) << problem_of(file);
  EXPECT_NE(problem_of("list.bin").find("no dict of tensors"), std::string::npos);
}

TEST_F(PytorchFile, refuses_every_truncation) {
  for (const char* file : {"views.bin", "views_legacy.bin"}) {
    const std::string whole = read_file(kFiles / file, 1 << 20);
    for (size_t size = 0; size < whole.size(); size += 7) {
      write("pytorch_model.bin", whole.substr(0, size));
      EXPECT_THROW(Checkpoint::open(directory_), Error) << file << " of " << size << " bytes";
    }
  }
}

TEST_F(PytorchFile, refuses_compressed_entries) {
  std::string bytes = read_file(kFiles / "views.bin", 1 << 20);
  for (size_t at = bytes.find("PK\x01\x02"); at != std::string::npos;
       at = bytes.find("PK\x01\x02", at + 4))
    bytes[at + 10] = 8;  // deflate
  write("pytorch_model.bin", bytes);
  try {
    Checkpoint::open(directory_);
    FAIL() << "a compressed archive was taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("is compressed"), std::string::npos) << error.what();
  }
}

TEST_F(PytorchFile, is_found_under_the_names_that_people_use) {
  for (const char* name :
       {"pytorch_model.bin", "model.pt", "weights.pth", "pytorch_model-00001-of-00001.bin"}) {
    EXPECT_EQ(open("views.bin", name).names().size(), 10u) << name;
    fs::remove(directory_ / name);
  }
  open("views.bin", "a.bin");
  EXPECT_NO_THROW(open("views.bin", "training_args.bin"));
  EXPECT_THROW(open("views.bin", "b.bin"), Error);  // which of the two?
}

TEST_F(PytorchFile, may_be_one_of_several_shards) {
  EXPECT_THROW(open("parameter.bin", "pytorch_model-00001-of-00002.bin"), Error);
  EXPECT_EQ(open("module.bin", "pytorch_model-00002-of-00002.bin").names().size(), 5u);
  write("pytorch_model.bin.index.json",
        R"({"weight_map": {"w": "pytorch_model-00001-of-00002.bin"}})");
  EXPECT_EQ(Checkpoint::open(directory_).names().size(), 1u);
  write("pytorch_model.bin.index.json",
        R"({"weight_map": {"w": "pytorch_model-00002-of-00002.bin"}})");
  EXPECT_THROW(Checkpoint::open(directory_), Error);
}

TEST_F(PytorchFile, gives_way_to_safetensors) {
  const std::vector<float> data{5};
  const std::vector<TensorPlan> plan{{"w", DType::f32, {1}}};
  SafetensorsWriter writer(directory_ / "model.safetensors", plan);
  writer.append(std::as_bytes(std::span(data)));
  writer.finish();
  EXPECT_EQ(values(open("parameter.bin"), "w"), data);
}

}  // namespace
}  // namespace octavo
