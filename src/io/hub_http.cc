#include "io/hub_http.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <optional>
#include <thread>

#include "base/check.h"
#include "octavo/error.h"

namespace octavo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kMaxRedirects = 10, kMaxTries = 6;
constexpr milliseconds kFirstPause{500};
constexpr seconds kLongestPause{60};
constexpr long kConnectSeconds = 15, kStallSeconds = 60;

struct CurlList {
  curl_slist* list = nullptr;
  ~CurlList() { curl_slist_free_all(list); }
  void add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }
};

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

// "scheme://host:port" with the port spelled out; empty for what is no address.
std::string origin_of(const std::string& address) {
  const std::unique_ptr<CURLU, UrlDeleter> url(curl_url());
  if (url == nullptr || curl_url_set(url.get(), CURLUPART_URL, address.c_str(), 0) != CURLUE_OK)
    return "";
  std::string origin;
  for (const CURLUPart part : {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT}) {
    char* text = nullptr;
    if (curl_url_get(url.get(), part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return "";
    origin += std::string(text) + "|";
    curl_free(text);
  }
  return origin;
}

// The address without what may hold a secret: signed redirects carry one in the query.
std::string shown(const std::string& url) { return url.substr(0, url.find('?')); }

bool may_pass(long status) {
  return status == 0 || status == 408 || status == 429 || status >= 500;
}

Error error_of(long status, const std::string& url, const std::string& broken) {
  if (status == 401 || status == 403) {
    return {status == 401 ? "the hub wants a token" : "the hub refuses access", shown(url),
            "check the name (many hubs answer so for what does not exist); for a private or gated "
            "repository set HF_TOKEN to a token that may read it"};
  }
  if (status == 404)
    return {"the hub has no such repository, revision or file", shown(url),
            "check the name; private repositories need HF_TOKEN"};
  if (status == 0 || (status < 300 && !broken.empty()))
    return {"no answer from the hub: " + broken, shown(url),
            "check the network and HF_ENDPOINT, then run the same command to go on",
            Error::Kind::failure};
  return {"the hub answers with status " + std::to_string(status), shown(url),
          "try again later; what was fetched is kept", Error::Kind::failure};
}

milliseconds pause_before(int attempt, seconds asked) {
  const milliseconds own = kFirstPause * (1 << std::min(attempt, 10));
  return std::min<milliseconds>(std::max<milliseconds>(own, asked), kLongestPause);
}

}  // namespace

struct HubHttp::Handle {
  CURL* curl = nullptr;
  ~Handle() { curl_easy_cleanup(curl); }
};

// What libcurl's callbacks work on. Exceptions wait here until libcurl has returned.
struct HubHttp::Transfer {
  CURL* curl;
  HttpReply reply;
  const std::function<void(const HttpReply&, std::span<const std::byte>)>& body;
  std::exception_ptr problem;

  static size_t header(char* data, size_t size, size_t count, void* self) {
    static_cast<Transfer*>(self)->take({data, size * count});
    return size * count;
  }
  void take(std::string_view line) {
    const size_t colon = line.find(':');
    if (line.starts_with("HTTP/")) reply = {};
    if (colon == std::string_view::npos) return;
    std::string name(line.substr(0, colon));
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    std::string_view value = line.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    uint64_t number = 0;
    if (name == "retry-after") {
      std::from_chars(value.data(), value.data() + value.size(), number);
      reply.wait = seconds(std::min<uint64_t>(number, 3600));
    } else if (name == "content-range" && value.starts_with("bytes ")) {
      value.remove_prefix(6);
      if (std::from_chars(value.data(), value.data() + value.size(), number).ec == std::errc())
        reply.from = number;
    }
  }

  static size_t write(char* data, size_t size, size_t count, void* self) {
    return static_cast<Transfer*>(self)->pass({data, size * count}) ? size * count : 0;
  }
  bool pass(std::span<const char> bytes) {
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
    if (reply.status != 200 && reply.status != 206) return true;
    try {
      body(reply, std::as_bytes(bytes));
      return true;
    } catch (...) {
      problem = std::current_exception();
      return false;
    }
  }
};

HubHttp::HubHttp(std::string endpoint, std::string token)
    : handle_(std::make_unique<Handle>()),
      endpoint_(std::move(endpoint)),
      token_(std::move(token)) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  handle_->curl = curl_easy_init();
  OCTAVO_CHECK(handle_->curl != nullptr);
  if (origin_of(endpoint_).empty())
    throw Error("no address of a hub", "HF_ENDPOINT " + endpoint_, "give https://HOST");
}

HubHttp::~HubHttp() = default;
HubHttp::HubHttp(HubHttp&&) noexcept = default;

bool HubHttp::is_hub(const std::string& url) const {
  return origin_of(url) == origin_of(endpoint_);
}

HttpReply HubHttp::request(
    const std::string& url, uint64_t from,
    const std::function<void(const HttpReply&, std::span<const std::byte>)>& body,
    std::string& broken) {
  CURL* curl = handle_->curl;
  curl_easy_reset(curl);
  Transfer transfer{.curl = curl, .reply = {}, .body = body, .problem = {}};
  CurlList headers;
  if (!token_.empty() && is_hub(url)) headers.add("Authorization: Bearer " + token_);
  if (from > 0) headers.add("Range: bytes=" + std::to_string(from) + "-");
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "octavo/" OCTAVO_VERSION);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.list);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, Transfer::header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Transfer::write);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  const CURLcode code = curl_easy_perform(curl);
  if (transfer.problem) std::rethrow_exception(transfer.problem);
  broken = code == CURLE_OK ? "" : curl_easy_strerror(code);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer.reply.status);
  char* location = nullptr;
  curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &location);
  if (location != nullptr) transfer.reply.location = location;
  return transfer.reply;
}

HttpReply HubHttp::follow(
    std::string url, uint64_t from,
    const std::function<void(const HttpReply&, std::span<const std::byte>)>& body,
    std::string& broken) {
  const bool safe = url.starts_with("https:");
  for (int i = 0; i <= kMaxRedirects; ++i) {
    const HttpReply reply = request(url, from, body, broken);
    if (reply.location.empty() || reply.status < 300 || reply.status >= 400) return reply;
    url = reply.location;
    if (safe && !url.starts_with("https:"))
      throw Error("redirect to an address without encryption", shown(url), "check HF_ENDPOINT",
                  Error::Kind::failure);
  }
  throw Error("redirects without end", shown(url), "check HF_ENDPOINT", Error::Kind::failure);
}

std::string HubHttp::get(const std::string& url, size_t max_bytes) {
  std::string broken;
  for (int attempt = 0;; ++attempt) {
    std::string text;
    const HttpReply reply = follow(
        url, 0,
        [&](const HttpReply&, std::span<const std::byte> bytes) {
          if (bytes.size() > max_bytes - text.size())
            throw Error("answer of more than " + std::to_string(max_bytes) + " bytes", shown(url),
                        "check HF_ENDPOINT", Error::Kind::failure);
          text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        },
        broken);
    if (reply.status == 200 && broken.empty()) return text;
    const bool again = may_pass(reply.status) || (reply.status == 200 && !broken.empty());
    if (!again || attempt + 1 == kMaxTries) throw error_of(reply.status, url, broken);
    std::this_thread::sleep_for(pause_before(attempt, reply.wait));
  }
}

void HubHttp::download(const std::string& url, const Sink& sink) {
  std::string broken;
  for (int attempt = 0; sink.have() < sink.bytes || sink.bytes == 0; ++attempt) {
    const uint64_t from = sink.have();
    bool begun = false;
    const HttpReply reply = follow(
        url, from,
        [&](const HttpReply& answer, std::span<const std::byte> bytes) {
          if (!begun) sink.begin(answer.status == 206 ? answer.from.value_or(from) : 0);
          begun = true;
          sink.write(bytes);
        },
        broken);
    const bool good = reply.status == 200 || reply.status == 206;
    if (good && broken.empty() && !begun) sink.begin(0);  // an empty file
    if (sink.have() >= sink.bytes && good) return;
    if (sink.have() > from) attempt = 0;     // it got on: that is no failed try
    if (reply.status == 416) sink.begin(0);  // what is there is not the beginning of the file
    const bool again = may_pass(reply.status) || good || reply.status == 416;
    if (!again || attempt + 1 >= kMaxTries)
      throw error_of(reply.status, url, broken.empty() ? "the file ended early" : broken);
    std::this_thread::sleep_for(pause_before(attempt, reply.wait));
  }
}

}  // namespace octavo
