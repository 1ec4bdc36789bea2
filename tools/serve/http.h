// tools/serve/http.h: enough of HTTP/1.1 for a browser on the same machine.
//
// Responsibility  Listen on the loopback address, read requests that have no body, send answers.
// Contract        One thread, no lock: connections wait for each other only while an answer is computed. One request
//                 a connection. Who sends too much, or nothing for kPatienceMs, is cut off; connections are bounded.
//                 A port that cannot be had is a Failure.
// Observable      port().
// Composable      Knows no path and no token. Used by serve.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace hakmem::tools {

struct HttpRequest {
  std::string method;
  std::string path;  // decoded, without the query
  std::map<std::string, std::string> query;
  std::map<std::string, std::string> headers;  // names in lower case

  std::string header(const std::string& name) const;
  std::string parameter(const std::string& name) const;
};

struct HttpResponse {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

class HttpServer {
 public:
  // 0: the system chooses.
  explicit HttpServer(std::uint16_t port);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const { return port_; }
  // Answers what has come in, and waits for more for `wait_ms` at most, or until a signal comes.
  void turn(const HttpHandler& handler, int wait_ms);

 private:
  struct Connection {
    int socket = -1;
    std::uint64_t deadline_ms = 0;
    std::string in;
    std::string out;
    std::size_t sent = 0;
    bool ends = false;
  };

  void accept_all();
  void advance(Connection* connection, const HttpHandler& handler);
  static void receive(Connection* connection, const HttpHandler& handler);
  static void send(Connection* connection);

  int socket_ = -1;
  std::uint16_t port_ = 0;
  std::list<Connection> connections_;
};

// Nothing when `head`, which ends with an empty line, is no request.
bool parse_request(const std::string& head, HttpRequest* request);

}  // namespace hakmem::tools
