#include "http.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "../live/failure.h"

namespace hakmem::tools {
namespace {

constexpr std::size_t kHeadBytesMax = 16 << 10;
constexpr std::size_t kConnectionsMax = 64;
constexpr std::uint64_t kPatienceMs = 10'000;

std::uint64_t now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

const char* reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 303: return "See Other";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    default: return "Service Unavailable";
  }
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int letter = std::tolower(static_cast<unsigned char>(c));
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

std::string decoded(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && digit_of(text[i + 1]) >= 0 && digit_of(text[i + 2]) >= 0;
    out += escape ? static_cast<char>(digit_of(text[i + 1]) * 16 + digit_of(text[i + 2])) : text[i];
    if (escape) i += 2;
  }
  return out;
}

void parse_query(const std::string& text, std::map<std::string, std::string>* query) {
  std::istringstream parts(text);
  std::string part;
  while (std::getline(parts, part, '&')) {
    const std::size_t equals = std::min(part.find('='), part.size());
    (*query)[decoded(part.substr(0, equals))] = equals < part.size() ? decoded(part.substr(equals + 1)) : "";
  }
}

std::string text_of(const HttpResponse& response, bool with_body) {
  std::string text = fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n",
                                 response.status, reason_of(response.status), response.type, response.body.size());
  for (const auto& [name, value] : response.headers) text += fmt::format("{}: {}\r\n", name, value);
  text += "\r\n";
  return with_body ? text + response.body : text;
}

}  // namespace

std::string HttpRequest::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

std::string HttpRequest::parameter(const std::string& name) const {
  const auto found = query.find(name);
  return found == query.end() ? std::string() : found->second;
}

bool parse_request(const std::string& head, HttpRequest* request) {
  std::istringstream lines(head);
  std::string line;
  std::string target;
  std::string version;
  std::getline(lines, line);
  std::istringstream first(line);
  if (!(first >> request->method >> target >> version) || version.rfind("HTTP/1.", 0) != 0 || target[0] != '/') return false;
  const std::size_t question = std::min(target.find('?'), target.size());
  request->path = decoded(target.substr(0, question));
  if (question < target.size()) parse_query(target.substr(question + 1), &request->query);
  while (std::getline(lines, line) && line != "\r") {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || colon == 0) return false;
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const std::size_t begin = std::min(line.find_first_not_of(" \t", colon + 1), line.size());
    const std::size_t end = line.find_last_not_of(" \t\r") + 1;
    // Two hosts, and nobody can say which one was meant.
    if (!request->headers.emplace(name, begin < end ? line.substr(begin, end - begin) : "").second && name == "host") return false;
  }
  return true;
}

HttpServer::HttpServer(std::uint16_t port) {
  socket_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const int on = 1;
  socklen_t size = sizeof(address);
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  const bool good = socket_ >= 0 && setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                    bind(socket_, plain, size) == 0 && listen(socket_, 64) == 0 && getsockname(socket_, plain, &size) == 0;
  if (!good) {
    const int error = errno;
    if (socket_ >= 0) close(socket_);
    throw Failure(error == EACCES ? kExitPermission : kExitUsage,
                  "--port {}: cannot listen on 127.0.0.1: {} (without --port a free one is taken)", port, std::strerror(error));
  }
  port_ = ntohs(address.sin_port);
}

HttpServer::~HttpServer() {
  for (const Connection& connection : connections_) close(connection.socket);
  close(socket_);
}

void HttpServer::accept_all() {
  while (connections_.size() < kConnectionsMax) {
    const int accepted = accept4(socket_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) return;
    connections_.push_back(Connection{accepted, now_ms() + kPatienceMs, {}, {}, 0, false});
  }
}

void HttpServer::receive(Connection* connection, const HttpHandler& handler) {
  char bytes[4096];
  const ssize_t got = recv(connection->socket, bytes, sizeof(bytes), 0);
  if (got <= 0) {
    connection->ends = got == 0 || (errno != EAGAIN && errno != EINTR);
    return;
  }
  connection->in.append(bytes, static_cast<std::size_t>(got));
  const std::size_t end = connection->in.find("\r\n\r\n");
  if (end == std::string::npos && connection->in.size() <= kHeadBytesMax) return;
  HttpRequest request;
  HttpResponse response;
  if (end == std::string::npos) {
    response = HttpResponse{413, response.type, "the request is too long\n", {}};
  } else if (!parse_request(connection->in.substr(0, end + 4), &request)) {
    response = HttpResponse{400, response.type, "not an HTTP request\n", {}};
  } else {
    response = handler(request);
  }
  connection->out = text_of(response, request.method != "HEAD");
  connection->deadline_ms = now_ms() + kPatienceMs;
}

void HttpServer::send(Connection* connection) {
  const ssize_t sent = ::send(connection->socket, connection->out.data() + connection->sent,
                              connection->out.size() - connection->sent, MSG_NOSIGNAL);
  if (sent < 0) {
    connection->ends = errno != EAGAIN && errno != EINTR;
    return;
  }
  connection->sent += static_cast<std::size_t>(sent);
  connection->deadline_ms = now_ms() + kPatienceMs;
  if (connection->sent < connection->out.size()) return;
  // What is still in the receive buffer, a body, would turn the close into a reset that loses the answer.
  shutdown(connection->socket, SHUT_WR);
  char rest[4096];
  for (int i = 0; i < 64 && recv(connection->socket, rest, sizeof(rest), 0) > 0; ++i) {
  }
  connection->ends = true;
}

void HttpServer::advance(Connection* connection, const HttpHandler& handler) {
  if (connection->out.empty()) receive(connection, handler);
  if (!connection->out.empty() && !connection->ends) send(connection);
}

void HttpServer::turn(const HttpHandler& handler, int wait_ms) {
  std::vector<pollfd> waits{{connections_.size() < kConnectionsMax ? socket_ : -1, POLLIN, 0}};
  for (const Connection& connection : connections_) {
    waits.push_back({connection.socket, static_cast<short>(connection.out.empty() ? POLLIN : POLLOUT), 0});
  }
  if (poll(waits.data(), waits.size(), wait_ms) > 0) {
    std::size_t i = 1;
    for (Connection& connection : connections_) {
      if (waits[i++].revents != 0) advance(&connection, handler);
    }
    if (waits[0].revents != 0) accept_all();
  }
  const std::uint64_t now = now_ms();
  connections_.remove_if([now](const Connection& connection) {
    const bool over = connection.ends || connection.deadline_ms < now;
    if (over) close(connection.socket);
    return over;
  });
}

}  // namespace hakmem::tools
