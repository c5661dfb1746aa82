#include "net/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <mutex>

#include "os/io.h"
#include "os/process.h"

namespace sluice::net {
namespace {

constexpr std::size_t kHeadersMax = 100;
constexpr std::size_t kHeaderBytesMax = 8192;
constexpr std::size_t kIdleMax = 16;  // connections that are kept
constexpr i64 kMs = 1'000'000;

// Once a process; libcurl leaves nothing that would have to be undone.
bool start_curl() {
  static const bool started = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return started;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

class HeaderList {
 public:
  explicit HeaderList(const std::vector<std::string>& headers) {
    // Not asked for: waiting for a server's leave costs a second with those that do not know it.
    add("Expect:");
    for (const std::string& header : headers) add(header.c_str());
  }
  ~HeaderList() { curl_slist_free_all(list_); }
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;

  [[nodiscard]] curl_slist* get() const { return list_; }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  void add(const char* header) {
    curl_slist* longer = curl_slist_append(list_, header);
    if (longer == nullptr) {
      ok_ = false;
    } else {
      list_ = longer;
    }
  }

  curl_slist* list_ = nullptr;
  bool ok_ = true;
};

// One request in flight: what libcurl's callbacks work on.
struct Flight {
  const Request& request;
  Answer answer;
  u64 read_at = 0;
  std::string broken;  // why a callback gave up
  // Of the time limits: what had gone out when we last looked, and when the body was complete.
  u64 marked_bytes = 0;
  i64 marked_ns = 0;
  bool body_out = false;
  bool head_whole = false;  // the answer's headers ended as they should
};

std::size_t on_read(char* to, std::size_t size, std::size_t count, void* user) {
  auto& flight = *static_cast<Flight*>(user);
  const Body& body = flight.request.body;
  const std::size_t part = std::size_t(std::min<u64>(size * count, body.bytes() - flight.read_at));
  if (!body.read) {
    std::memcpy(to, body.text.data() + flight.read_at, part);
  } else if (part > 0) {
    const i64 got = body.read(to, part, body.at + flight.read_at);
    if (got < 0 || u64(got) != part) {
      flight.broken = got < 0 ? "reading the file: " + os::error_text(int(-got))
                              : "the file has become shorter";
      return CURL_READFUNC_ABORT;
    }
  }
  flight.read_at += part;
  return part;
}

int on_seek(void* user, curl_off_t offset, int origin) {
  auto& flight = *static_cast<Flight*>(user);
  if (origin != SEEK_SET || offset < 0 || u64(offset) > flight.request.body.bytes()) {
    return CURL_SEEKFUNC_FAIL;
  }
  flight.read_at = u64(offset);
  return CURL_SEEKFUNC_OK;
}

std::size_t on_body(char* from, std::size_t size, std::size_t count, void* user) {
  auto& flight = *static_cast<Flight*>(user);
  const std::size_t bytes = size * count;
  if (bytes > flight.request.answer_max - flight.answer.body.size()) {
    flight.broken =
        "the answer is longer than " + std::to_string(flight.request.answer_max) + " bytes";
    return 0;
  }
  flight.answer.body.append(from, bytes);
  return bytes;
}

std::size_t on_header(char* from, std::size_t size, std::size_t count, void* user) {
  auto& flight = *static_cast<Flight*>(user);
  const std::string_view line(from, size * count);
  if (line.starts_with("HTTP/")) {  // an answer, perhaps after a "100 Continue"
    flight.answer.headers.clear();
    flight.head_whole = false;
    return line.size();
  }
  if (trimmed(line).empty()) flight.head_whole = true;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  if (flight.answer.headers.size() >= kHeadersMax || line.size() > kHeaderBytesMax) {
    flight.broken = "the answer's headers are out of bounds";
    return 0;
  }
  flight.answer.headers.emplace_back(lower(trimmed(line.substr(0, colon))),
                                     trimmed(line.substr(colon + 1)));
  return line.size();
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t upload_now) {
  auto& flight = *static_cast<Flight*>(user);
  const u64 sent = upload_now > 0 ? u64(upload_now) : 0;
  if (sent > flight.answer.sent) {
    flight.answer.sent = sent;
    if (flight.request.sent) flight.request.sent(sent);
  }
  return 0;
}

Answer::End end_of(CURLcode code) {
  switch (code) {
    case CURLE_OK:
      return Answer::End::kAnswered;
    case CURLE_URL_MALFORMAT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_FAILED_INIT:
    case CURLE_OUT_OF_MEMORY:
      return Answer::End::kImpossible;
    default:
      return Answer::End::kFailed;
  }
}

}  // namespace

const std::string* Answer::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return &value;
  }
  return nullptr;
}

i64 http_date_seconds(const std::string& untrusted) {
  return i64(curl_getdate(untrusted.c_str(), nullptr));
}

u64 Answer::retry_after_ms() const {
  constexpr i64 kMost = 3600;
  const std::string* text = header("retry-after");
  if (text == nullptr || text->empty()) return 0;
  i64 seconds = 0;
  if (text->find_first_not_of("0123456789") == std::string::npos) {
    seconds = text->size() > 9 ? kMost : std::stoll(*text);
  } else if (const i64 date = http_date_seconds(*text); date >= 0) {
    seconds = date - os::wall_ns() / (1000 * kMs);
  }
  return u64(std::clamp<i64>(seconds, 0, kMost)) * 1000;
}

// An easy handle for the request and a multi handle that keeps its connections and can be woken.
class Http::Connection {
 public:
  Connection() : easy_(curl_easy_init()), multi_(curl_multi_init()) {}
  ~Connection() {
    curl_easy_cleanup(easy_);
    curl_multi_cleanup(multi_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Answer send(const Request& request, const HttpOptions& options) {
    Flight flight{.request = request, .answer = {}, .broken = {}};
    const HeaderList headers(request.headers);
    if (easy_ == nullptr || multi_ == nullptr || !headers.ok()) {
      flight.answer.error = "libcurl has no memory";
      return std::move(flight.answer);
    }
    set_up(flight, headers, options);
    curl_multi_add_handle(multi_, easy_);
    CURLcode code = CURLE_OK;
    {
      const std::stop_callback wake(request.stop, [this] { curl_multi_wakeup(multi_); });
      code = perform(flight, options);
    }
    curl_multi_remove_handle(multi_, easy_);
    finish(flight, code, options);
    return std::move(flight.answer);
  }

 private:
  void set_up(Flight& flight, const HeaderList& headers, const HttpOptions& options) {
    const Request& request = flight.request;
    curl_easy_reset(easy_);  // keeps the connections
    const auto set = [this](CURLoption option, auto value) {
      curl_easy_setopt(easy_, option, value);
    };
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_PATH_AS_IS, 1L);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_HTTP_VERSION, long(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_SSLVERSION, long(CURL_SSLVERSION_TLSv1_2));
    set(CURLOPT_CONNECTTIMEOUT_MS, long(options.timeout_ms));
    set(CURLOPT_USERAGENT, "sluice/" SLUICE_VERSION);
    set(CURLOPT_HTTPHEADER, headers.get());
    set(CURLOPT_ERRORBUFFER, error_);
    error_[0] = '\0';
    if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
    if (request.direct) set(CURLOPT_NOPROXY, "*");
    set(CURLOPT_WRITEFUNCTION, &on_body);
    set(CURLOPT_WRITEDATA, &flight);
    set(CURLOPT_HEADERFUNCTION, &on_header);
    set(CURLOPT_HEADERDATA, &flight);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &on_progress);
    set(CURLOPT_XFERINFODATA, &flight);
    if (request.method == "HEAD") {
      set(CURLOPT_NOBODY, 1L);
    } else if (request.method == "PUT" || request.method == "POST") {
      set(CURLOPT_UPLOAD, 1L);
      set(CURLOPT_INFILESIZE_LARGE, curl_off_t(request.body.bytes()));
      set(CURLOPT_READFUNCTION, &on_read);
      set(CURLOPT_READDATA, &flight);
      set(CURLOPT_SEEKFUNCTION, &on_seek);
      set(CURLOPT_SEEKDATA, &flight);
      set(CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
    }
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }

  CURLcode perform(Flight& flight, const HttpOptions& options) {
    flight.marked_ns = os::monotonic_ns();
    int running = 1;
    while (true) {
      if (curl_multi_perform(multi_, &running) != CURLM_OK) return CURLE_FAILED_INIT;
      if (running == 0) break;
      if (flight.request.stop.stop_requested()) return CURLE_ABORTED_BY_CALLBACK;
      if (too_slow(flight, options)) return CURLE_OPERATION_TIMEDOUT;
      const int nap_ms = int(std::min<u32>(1000, options.timeout_ms / 4 + 1));
      if (curl_multi_poll(multi_, nullptr, 0, nap_ms, nullptr) != CURLM_OK) {
        return CURLE_FAILED_INIT;
      }
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg == CURLMSG_DONE) return message->data.result;
    }
    return CURLE_FAILED_INIT;
  }

  static bool too_slow(Flight& flight, const HttpOptions& options) {
    const i64 now = os::monotonic_ns();
    if (!flight.body_out && flight.answer.sent >= flight.request.body.bytes()) {
      flight.body_out = true;
      flight.marked_ns = now;
    }
    const u32 asked = flight.request.answer_ms;
    const u32 limit_ms = flight.body_out && asked > 0 ? asked : options.timeout_ms;
    if (now - flight.marked_ns < i64(limit_ms) * kMs) return false;
    if (flight.body_out) return true;
    const bool slow = flight.answer.sent - flight.marked_bytes < limit_ms;  // 1 byte a millisecond
    flight.marked_bytes = flight.answer.sent;
    flight.marked_ns = now;
    return slow;
  }

  void finish(Flight& flight, CURLcode code, const HttpOptions& options) {
    Answer& answer = flight.answer;
    long status = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    answer.status = int(status);
    answer.end = end_of(code);
    // libcurl takes a connection that ends within the headers for one that ends behind them.
    if (code == CURLE_OK && !flight.head_whole) {
      answer.end = Answer::End::kFailed;
      answer.error = "the answer breaks off within its headers";
    }
    if (code == CURLE_OK) return;
    if (flight.request.stop.stop_requested()) {
      answer.end = Answer::End::kStopped;
      answer.error = "stopped";
    } else if (!flight.broken.empty()) {
      answer.error = std::move(flight.broken);
    } else if (code == CURLE_OPERATION_TIMEDOUT && error_[0] == '\0') {
      const u32 asked = flight.request.answer_ms;
      const u32 limit_ms = flight.body_out && asked > 0 ? asked : options.timeout_ms;
      answer.error = (flight.body_out ? "no answer for " : "nearly nothing went out for ") +
                     std::to_string(limit_ms) + " ms";
    } else {
      answer.error = error_[0] != '\0' ? error_ : curl_easy_strerror(code);
    }
  }

  CURL* easy_;
  CURLM* multi_;
  char error_[CURL_ERROR_SIZE] = "";
};

struct Http::Idle {
  std::mutex mutex;
  std::vector<std::unique_ptr<Connection>> connections;
};

Http::Http(HttpOptions options) : options_(std::move(options)), idle_(std::make_unique<Idle>()) {}
Http::~Http() = default;

Answer Http::send(const Request& request) {
  Answer none;
  none.end = Answer::End::kImpossible;
  if (!start_curl()) {
    none.error = "libcurl does not start";
    return none;
  }
  // A line end in a header would be a header of somebody else's.
  for (const std::string& header : request.headers) {
    if (header.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      none.error = "a header with a line end in it";
      return none;
    }
  }
  std::unique_ptr<Connection> connection;
  {
    const std::lock_guard lock(idle_->mutex);
    if (!idle_->connections.empty()) {
      connection = std::move(idle_->connections.back());
      idle_->connections.pop_back();
    }
  }
  if (!connection) connection = std::make_unique<Connection>();
  Answer answer = connection->send(request, options_);
  // After a failure nobody knows what is left in the connection.
  if (answer.end == Answer::End::kAnswered) {
    const std::lock_guard lock(idle_->mutex);
    if (idle_->connections.size() < kIdleMax) idle_->connections.push_back(std::move(connection));
  }
  return answer;
}

}  // namespace sluice::net
