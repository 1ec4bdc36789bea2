#include "pprof.h"

#include <zlib.h>

#include <map>

#include "../live/failure.h"

namespace hakmem::tools {
namespace {

constexpr std::size_t kUnpackedMax = std::size_t{256} << 20;
constexpr int kGzip = 16 + MAX_WBITS;

std::string pack(const std::string& bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw Failure(kExitUnsupported, "zlib refuses to compress");
  }
  std::string out(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string unpack(const std::string& bytes, const std::string& path) {
  if (bytes.compare(0, 2, "\x1f\x8b") != 0) return bytes;  // pprof reads plain ones, too
  z_stream stream{};
  if (inflateInit2(&stream, kGzip) != Z_OK) throw Failure(kExitUnsupported, "zlib refuses to decompress");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  std::string part(std::size_t{1} << 16, '\0');
  int status = Z_OK;
  while (status == Z_OK && out.size() <= kUnpackedMax) {
    stream.next_out = reinterpret_cast<Bytef*>(part.data());
    stream.avail_out = static_cast<uInt>(part.size());
    status = inflate(&stream, Z_NO_FLUSH);
    out.append(part, 0, part.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END) throw Failure(kExitUnsupported, "{}: not a whole gzip file", path);
  return out;
}

// One message of the wire format.
class Message {
 public:
  Message& number(unsigned field, std::uint64_t value) {
    if (value == 0) return *this;
    varint(field << 3);
    return varint(value);
  }
  Message& number(unsigned field, std::int64_t value) { return number(field, static_cast<std::uint64_t>(value)); }
  Message& text(unsigned field, const std::string& value) {
    varint(field << 3 | 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(unsigned field, const Message& value) { return text(field, value.bytes_); }
  template <typename Numbers>
  Message& packed(unsigned field, const Numbers& values) {
    Message inner;
    for (const auto value : values) inner.varint(static_cast<std::uint64_t>(value));
    return message(field, inner);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  Message& varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
    return *this;
  }

  std::string bytes_;
};

class Strings {
 public:
  std::int64_t operator()(const std::string& text) {
    const auto [place, is_new] = numbers_.try_emplace(text, static_cast<std::int64_t>(numbers_.size()));
    if (is_new) all_.push_back(text);
    return place->second;
  }
  const std::vector<std::string>& all() const { return all_; }

 private:
  std::map<std::string, std::int64_t> numbers_{{"", 0}};
  std::vector<std::string> all_{""};
};

Message module_message(const ProfileModule& module, std::uint64_t id, Strings& strings) {
  Message out;
  // The mapping begins at the file's first byte, so its offset is 0.
  out.number(1, id).number(2, module.begin).number(3, module.end);
  out.number(5, strings(module.path)).number(6, strings(module.build_id));
  return out.number(7, std::uint64_t{module.named}).number(9, std::uint64_t{module.named});
}

// --- reading

struct Field {
  unsigned number = 0;
  std::uint64_t value = 0;
  std::string bytes;
};

class Fields {
 public:
  Fields(const std::string& bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  bool next(Field* field) {
    if (at_ == bytes_.size()) return false;
    const std::uint64_t key = varint();
    field->number = static_cast<unsigned>(key >> 3);
    field->bytes.clear();
    switch (key & 7) {
      case 0:
        field->value = varint();
        return true;
      case 2: {
        const std::uint64_t length = varint();
        if (length > bytes_.size() - at_) damaged();
        field->bytes = bytes_.substr(at_, length);
        at_ += length;
        return true;
      }
      default:
        damaged();
    }
  }

  // Packed or not.
  template <typename T>
  static void numbers(const Field& field, const std::string& path, std::vector<T>* out) {
    if (field.bytes.empty()) {
      out->push_back(static_cast<T>(field.value));
      return;
    }
    Fields inner(field.bytes, path);
    while (inner.at_ < field.bytes.size()) out->push_back(static_cast<T>(inner.varint()));
  }

 private:
  [[noreturn]] void damaged() const { throw Failure(kExitUnsupported, "{}: not a pprof profile", path_); }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) damaged();
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    damaged();
  }

  const std::string& bytes_;
  const std::string& path_;
  std::size_t at_ = 0;
};

struct RawProfile {
  std::vector<std::string> strings;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> types;
  std::vector<std::pair<std::vector<std::uint64_t>, std::vector<std::int64_t>>> samples;
  std::map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>> functions;  // name, file
  struct Place {
    std::uint64_t id = 0, address = 0, function = 0, line = 0;
  };
  std::vector<Place> places;
  std::uint64_t chosen = 0;
};

void read_place(const std::string& bytes, const std::string& path, RawProfile* out) {
  RawProfile::Place place;
  Fields fields(bytes, path);
  for (Field field; fields.next(&field);) {
    if (field.number == 1) place.id = field.value;
    if (field.number == 3) place.address = field.value;
    if (field.number != 4) continue;
    // Of inlined functions the last line is the caller's.
    Fields lines(field.bytes, path);
    for (Field line; lines.next(&line);) {
      if (line.number == 1) place.function = line.value;
      if (line.number == 2) place.line = line.value;
    }
  }
  out->places.push_back(place);
}

void read_field(const Field& field, const std::string& path, RawProfile* out) {
  if (field.number == 6) out->strings.push_back(field.bytes);
  if (field.number == 14) out->chosen = field.value;
  if (field.number == 4) read_place(field.bytes, path, out);
  if (field.number != 1 && field.number != 2 && field.number != 5) return;
  Fields fields(field.bytes, path);
  std::uint64_t words[5] = {};
  std::vector<std::uint64_t> places;
  std::vector<std::int64_t> values;
  for (Field inner; fields.next(&inner);) {
    if (field.number == 2 && inner.number == 1) Fields::numbers(inner, path, &places);
    if (field.number == 2 && inner.number == 2) Fields::numbers(inner, path, &values);
    if (field.number != 2 && inner.number < 5) words[inner.number] = inner.value;
  }
  if (field.number == 1) out->types.emplace_back(words[1], words[2]);
  if (field.number == 2) out->samples.emplace_back(places, values);
  if (field.number == 5) out->functions[words[1]] = {words[2], words[4]};
}

}  // namespace

std::string to_pprof(const Profile& profile) {
  Strings strings;
  Message out;
  for (const ProfileColumn& column : profile.columns) {
    Message type;
    out.message(1, type.number(1, strings(column.name)).number(2, strings(column.unit)));
  }
  for (const ProfileSample& sample : profile.samples) {
    std::vector<std::uint64_t> ids;
    for (const std::size_t location : sample.locations) ids.push_back(location + 1);
    Message message;
    out.message(2, message.packed(1, ids).packed(2, sample.values));
  }
  std::uint64_t id = 0;
  for (const ProfileModule& module : profile.modules) out.message(3, module_message(module, ++id, strings));
  std::map<std::pair<std::string, std::string>, std::uint64_t> functions;
  id = 0;
  for (const Location& location : profile.locations) {
    Message message;
    message.number(1, ++id);
    if (location.module != SIZE_MAX) message.number(2, std::uint64_t{location.module + 1});
    message.number(3, location.address);
    if (!location.function.empty()) {
      const auto [place, is_new] =
          functions.try_emplace({location.function, location.file}, functions.size() + 1);
      Message line;
      message.message(4, line.number(1, place->second).number(2, location.line));
    }
    out.message(4, message);
  }
  for (const auto& [names, number] : functions) {
    Message message;
    const std::int64_t name = strings(names.first);
    out.message(5, message.number(1, number).number(2, name).number(3, name).number(4, strings(names.second)));
  }
  out.number(9, profile.time_ns).number(10, profile.duration_ns);
  Message period;
  out.message(11, period.number(1, strings("space")).number(2, strings("bytes"))).number(12, profile.rate);
  if (!profile.columns.empty()) out.number(14, strings(profile.columns[profile.chosen].name));
  for (const std::string& text : strings.all()) out.text(6, text);
  return pack(out.bytes());
}

Profile from_pprof(const std::string& bytes, const std::string& path) {
  RawProfile raw;
  const std::string unpacked = unpack(bytes, path);
  Fields fields(unpacked, path);
  for (Field field; fields.next(&field);) read_field(field, path, &raw);
  const auto text = [&raw](std::uint64_t number) {
    return number < raw.strings.size() ? raw.strings[number] : std::string();
  };
  Profile profile;
  for (const auto& [name, unit] : raw.types) profile.columns.push_back({text(name), text(unit)});
  if (profile.columns.empty()) throw Failure(kExitUnsupported, "{}: not a pprof profile", path);
  profile.chosen = column_of(profile, text(raw.chosen));
  if (profile.chosen == SIZE_MAX) profile.chosen = profile.columns.size() - 1;
  std::map<std::uint64_t, std::size_t> index;
  for (const RawProfile::Place& place : raw.places) {
    index[place.id] = profile.locations.size();
    Location location;
    location.address = place.address;
    location.line = static_cast<std::int64_t>(place.line);
    if (const auto function = raw.functions.find(place.function); function != raw.functions.end()) {
      location.function = text(function->second.first);
      location.file = text(function->second.second);
    }
    profile.locations.push_back(location);
  }
  for (const auto& [places, values] : raw.samples) {
    ProfileSample sample;
    for (const std::uint64_t place : places) {
      if (const auto found = index.find(place); found != index.end()) sample.locations.push_back(found->second);
    }
    sample.values = values;
    sample.values.resize(profile.columns.size());
    profile.samples.push_back(std::move(sample));
  }
  return profile;
}

}  // namespace hakmem::tools
