#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace octavo {

// What a server answered, without the body.
struct HttpReply {
  long status = 0;
  std::string location;          // of a redirect, absolute
  std::optional<uint64_t> from;  // of a partial body: where it begins
  std::chrono::seconds wait{0};  // Retry-After
};

// GET over HTTP(S) for one hub: follows redirects, retries what may pass (no connection, 408, 429,
// 5xx) with growing pauses or as long as the server asks, and gives the token to the hub's own host
// only. One thread at a time.
class HubHttp {
 public:
  HubHttp(std::string endpoint, std::string token);
  ~HubHttp();
  HubHttp(HubHttp&&) noexcept;
  HubHttp(const HubHttp&) = delete;

  // The whole body. Throws Error (404, 401: request; the rest: failure) naming the address.
  std::string get(const std::string& url, size_t max_bytes);

  // Where a body goes. `begin(from)` is called with the offset that the server begins at (it may
  // ignore the wish); `write` then with each piece.
  struct Sink {
    std::function<void(uint64_t from)> begin;
    std::function<void(std::span<const std::byte>)> write;
    std::function<uint64_t()> have;  // bytes there: where to go on
    uint64_t bytes = 0;              // wanted in all
  };
  // Fills `sink` up to its wanted bytes, over as many connections as it takes.
  void download(const std::string& url, const Sink& sink);

 private:
  struct Transfer;
  // One request without redirects; `body` sees nothing of an error's or a redirect's body.
  HttpReply request(const std::string& url, uint64_t from,
                    const std::function<void(const HttpReply&, std::span<const std::byte>)>& body,
                    std::string& broken);
  // As far as the answer that is no redirect. `broken`: why the connection ended early.
  HttpReply follow(std::string url, uint64_t from,
                   const std::function<void(const HttpReply&, std::span<const std::byte>)>& body,
                   std::string& broken);
  bool is_hub(const std::string& url) const;

  struct Handle;
  std::unique_ptr<Handle> handle_;
  std::string endpoint_, token_;
};

}  // namespace octavo
