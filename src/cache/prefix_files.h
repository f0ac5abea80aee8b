#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <list>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>

#include "cache/prefix_index.h"
#include "cache/sha256.h"

namespace octavo {

// Full blocks of a prefix cache in a directory: FOLDER/<identity>/<key>.kv, one file a block.
//
// A file appears under its name by a rename and carries version, identity, key, size and a SHA-256
// over all of it, so whatever a crash, a full disk or a stranger left there is told from a block;
// such a file is counted and removed, never an error. Nothing is synced: what the system loses when
// the power fails is a cache. The least recently used files go when there are too many bytes, those
// of other identities (models, layouts) among them. Any thread.
class PrefixFiles {
 public:
  struct Options {
    std::filesystem::path folder;
    int64_t max_bytes = 0;
    int64_t block_bytes = 0;  // of a payload
    Digest identity = {};     // of all that the bytes of a block depend on besides its key
  };
  // Makes the folder and lists what lies there; reads no content. Throws Error when it cannot.
  explicit PrefixFiles(const Options& options);

  bool has(const BlockKey& key) const;
  // Fills `payload` [block_bytes] and makes the file the latest used; false when there is none that
  // holds. `payload` is then undefined.
  bool read(const BlockKey& key, std::span<std::byte> payload);
  // False when the block could not be saved (full disk, too large): nothing is left of it.
  bool write(const BlockKey& key, std::span<const std::byte> payload);
  void remove(const BlockKey& key);
  void clear();  // those of this identity

  struct Counts {
    int64_t blocks = 0, bytes = 0;  // bytes: with those of other identities
    int64_t written = 0, read = 0, rejected = 0, failures = 0;
  };
  Counts counts() const;

 private:
  struct Entry {
    std::filesystem::path path;
    int64_t bytes = 0;
    bool own = false;
    BlockKey key = {};
  };
  using Entries = std::list<Entry>;  // least recently used first
  struct Hash {
    size_t operator()(const BlockKey& key) const noexcept;
  };

  void scan();
  void make_room(int64_t bytes);
  void erase(Entries::iterator entry);
  void reject(const BlockKey& key);
  std::filesystem::path path_of(const BlockKey& key) const;

  const Options options_;
  const std::filesystem::path own_;

  mutable std::mutex mutex_;  // guards the following
  Entries entries_;
  std::unordered_map<BlockKey, Entries::iterator, Hash> known_;
  Counts counts_;
  uint64_t temporaries_ = 0;
};

}  // namespace octavo
