// hakmem serve: a process in the browser.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <csignal>
#include <cstdio>

#include "../live/commands.h"
#include "../live/explain.h"
#include "../live/failure.h"
#include "../profile/command.h"
#include "../profile/pprof.h"
#include "../profile/text_formats.h"
#include "access.h"
#include "dashboard.h"
#include "recorder.h"

namespace hakmem::tools {
namespace {

volatile std::sig_atomic_t g_stop = 0;

constexpr const char* kJson = "application/json";

struct Options {
  int pid = 0;
  std::uint16_t port = 0;
  bool latency = false;
};

// What is no UTF-8 in a name or a variable does not stop the rest.
std::string text_of(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

class Server {
 public:
  explicit Server(const Options& options)
      : recorder_(options.pid, options.latency ? Recorder::Latency::kTimed : Recorder::Latency::kNotTimed),
        options_document_(text_of(explanation_of_process(options.pid))), http_(options.port),
        access_(http_.port()) {}

  void run();

 private:
  // A path and who answers. What else there is to fetch goes here.
  struct Route {
    const char* path;
    HttpResponse (Server::*answer)(const HttpRequest&) const;
  };
  static constexpr std::size_t kRoutes = 8;
  static const Route kTable[kRoutes];

  HttpResponse respond(const HttpRequest& request) const;
  HttpResponse answer(const Route& route, const HttpRequest& request) const;
  HttpResponse page(const HttpRequest& request) const;
  HttpResponse history(const HttpRequest& request) const;
  HttpResponse reading(const HttpRequest& request) const;
  HttpResponse map(const HttpRequest& request) const;
  HttpResponse options(const HttpRequest& request) const;
  HttpResponse metrics(const HttpRequest& request) const;
  HttpResponse pprof(const HttpRequest& request) const;
  HttpResponse flame(const HttpRequest& request) const;

  Recorder recorder_;
  std::string options_document_;
  HttpServer http_;
  Access access_;
};

const Server::Route Server::kTable[kRoutes] = {
    {"/", &Server::page},
    {"/api/history", &Server::history},
    {"/api/reading", &Server::reading},
    {"/api/map", &Server::map},
    {"/api/options", &Server::options},
    {"/metrics", &Server::metrics},
    {"/debug/pprof/heap", &Server::pprof},
    {"/flame", &Server::flame},
};

// Milliseconds of a parameter; `otherwise` when it is missing or no number.
std::uint64_t moment(const HttpRequest& request, const char* name, std::uint64_t otherwise) {
  const std::string text = request.parameter(name);
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos) return otherwise;
  return std::stoull(text);
}

HttpResponse Server::page(const HttpRequest& request) const {
  HttpResponse response;
  if (!request.parameter("t").empty()) {
    // The token leaves the address line, and with it the history and bookmarks.
    response.status = 303;
    response.headers = {{"Location", "/"}, {"Set-Cookie", access_.cookie()}};
    return response;
  }
  response.type = "text/html; charset=utf-8";
  response.body = kDashboard;
  // Everything is in the one file; only its own style and script run, and it talks to this server alone.
  response.headers = {{"Content-Security-Policy",
                       fmt::format("default-src 'none'; connect-src 'self'; img-src data:; frame-src 'self'; style-src {}; script-src {};"
                                   " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
                                   kDashboardStyleHash, kDashboardScriptHash)}};
  return response;
}

HttpResponse Server::history(const HttpRequest& request) const {
  const std::uint64_t since = moment(request, "since", 0);
  const ProcessInfo& process = recorder_.last().process;
  nlohmann::ordered_json head{{"schema", "hakmem.history/1"}, {"pid", process.pid}, {"name", process.name}};
  head["command"] = process.command;
  head["user"] = process.user;
  head["threads"] = process.threads;
  head["age_s"] = process.age_s;
  head["now_ms"] = unix_ms();
  head["ended_ms"] = recorder_.ended_ms();
  head["trouble"] = recorder_.trouble();
  head["map_trouble"] = recorder_.map_trouble();
  head["version"] = HAKMEM_VERSION;
  for (const LedgerRow& row : recorder_.last().ledger.rows) head["rows"].push_back({{"id", row.id}, {"label", row.label}});
  std::string text = text_of(head);
  text.back() = ',';
  text += "\"samples\":[";
  const char* comma = "";
  for (const Sample& sample : recorder_.samples()) {
    if (sample.time_ms <= since) continue;
    text += comma + sample.series;
    comma = ",";
  }
  return HttpResponse{200, kJson, text + "]}", {}};
}

HttpResponse Server::reading(const HttpRequest& request) const {
  const Sample& sample = recorder_.sample_at(moment(request, "at", UINT64_MAX));
  return HttpResponse{200, kJson, sample.document, {{"X-Hakmem-Time", std::to_string(sample.time_ms)}}};
}

HttpResponse Server::map(const HttpRequest& request) const {
  const std::optional<MapFrame> frame = recorder_.film().at(moment(request, "at", UINT64_MAX));
  if (!frame) return HttpResponse{503, HttpResponse().type, recorder_.map_trouble() + "\n", {}};
  return HttpResponse{200, "application/octet-stream", bytes_of(*frame), {{"X-Hakmem-Time", std::to_string(frame->time_ms)}}};
}

HttpResponse Server::options(const HttpRequest&) const { return HttpResponse{200, kJson, options_document_, {}}; }

HttpResponse Server::metrics(const HttpRequest&) const {
  if (recorder_.ended_ms() != 0) {
    return HttpResponse{503, HttpResponse().type, fmt::format("process {} has ended\n", recorder_.last().process.pid), {}};
  }
  return HttpResponse{200, "text/plain; version=0.0.4; charset=utf-8", stat_openmetrics(recorder_.last()), {}};
}

// `go tool pprof` and others fetch it here.
HttpResponse Server::pprof(const HttpRequest&) const {
  const Profile profile = profile_so_far(recorder_.last().process.pid);
  return HttpResponse{200, "application/octet-stream", to_pprof(profile),
                      {{"Content-Disposition", "attachment; filename=\"heap.pb.gz\""}}};
}

// A page of its own in a frame of ours: its script and style are not those of the dashboard.
HttpResponse Server::flame(const HttpRequest&) const {
  const ProcessInfo& process = recorder_.last().process;
  HttpResponse response;
  try {
    response.body = to_html(profile_so_far(process.pid), fmt::format("{}[{}]", process.name, process.pid));
    response.type = "text/html; charset=utf-8";
  } catch (const Failure& failure) {
    response.body = failure.what();  // for a reader: the frame shows it
  }
  response.headers = {{"Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none';"
                       " form-action 'none'; frame-ancestors 'self'"}};
  return response;
}

// What cannot be had now is said to the reader, and the server goes on.
HttpResponse Server::answer(const Route& route, const HttpRequest& request) const {
  try {
    return (this->*route.answer)(request);
  } catch (const Failure& failure) {
    return HttpResponse{503, HttpResponse().type, std::string(failure.what()) + "\n", {}};
  }
}

HttpResponse Server::respond(const HttpRequest& request) const {
  HttpResponse response{404, HttpResponse().type, "there is no such page\n", {}};
  if (std::optional<HttpResponse> refusal = access_.refusal(request)) {
    response = *refusal;
  } else {
    for (const Route& route : kTable) {
      if (request.path == route.path) response = answer(route, request);
    }
  }
  response.headers.insert(response.headers.end(), {{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"},
                                                   {"Referrer-Policy", "no-referrer"},
                                                   {"Cross-Origin-Resource-Policy", "same-origin"}});
  return response;
}

void Server::run() {
  const ProcessInfo& process = recorder_.last().process;
  fmt::print("{}[{}] is shown, until Ctrl-C, at\n  http://127.0.0.1:{}/?t={}\n", process.name, process.pid, http_.port(),
             access_.token());
  std::fflush(stdout);
  const HttpHandler handler = [this](const HttpRequest& request) { return respond(request); };
  bool told = false;
  while (g_stop == 0) {
    http_.turn(handler, recorder_.tick());
    if (recorder_.ended_ms() == 0 || told) continue;
    told = true;
    fmt::print(stderr, "hakmem: process {} has ended; what was seen of it stays until Ctrl-C\n", process.pid);
  }
}

int serve(const Options& options) {
  if (kDashboard[0] == '\0') {
    throw Failure(kExitUnsupported, "this build has no dashboard, because esbuild was missing when it was built"
                  " (apt-get install esbuild, then build again); hakmem top {} shows the same figures", options.pid);
  }
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int) { g_stop = 1; });
  Server(options).run();
  return kExitFine;
}

}  // namespace

void declare_serve(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("serve", "A process in the browser: time line, heap map, classes, options");
  const auto options = std::make_shared<Options>();
  command->add_option("PID", options->pid, "the process")->required()->check(CLI::PositiveNumber);
  command->add_option("--port", options->port, "of 127.0.0.1; 0, the default, takes a free one");
  command->add_flag("--latency", options->latency, "time slow paths while it is served, for the view of that name and /metrics");
  command->footer("Example:\n  hakmem serve 4121\n\n"
                  "Prints an address with a token in it, which lets a browser of this machine read and change nothing.\n"
                  "Prometheus reads /metrics with the token as its bearer, or as ?t=. The last ten minutes are kept in\n"
                  "memory, and stay when the process ends.");
  command->callback([options, action] { *action = [options] { return serve(*options); }; });
}

}  // namespace hakmem::tools
