#include "os/call_frame.h"

#include <string.h>

namespace hakmem::os {

namespace {

// The encodings that GNU ld and LLVM's write: offsets of 32 bits, from their own place or from the table.
constexpr uint8_t kFromHere4 = 0x1b;
constexpr uint8_t kFromHere8 = 0x1c;
constexpr uint8_t kUnsigned4 = 0x03;
constexpr uint8_t kFromTable4 = 0x3b;

constexpr uint32_t kStatesMax = 4;

class Reader {
 public:
  explicit Reader(uintptr_t at, uintptr_t end = UINTPTR_MAX) : at_(at), end_(end) {}

  template <class T>
  T take() {
    T value;
    memcpy(&value, reinterpret_cast<const void*>(at_), sizeof value);
    at_ += sizeof value;
    return value;
  }
  uint64_t take_unsigned() {
    uint64_t value = 0;
    uint8_t byte;
    uint32_t shift = 0;
    do {
      byte = take<uint8_t>();
      if (shift < 64) value |= uint64_t{byte & 0x7fu} << shift;
      shift += 7;
    } while ((byte & 0x80) != 0);
    return value;
  }
  int64_t take_signed() {
    const uintptr_t begin = at_;
    uint64_t value = take_unsigned();
    const uint32_t bits = static_cast<uint32_t>(at_ - begin) * 7;
    const uint8_t last = *reinterpret_cast<const uint8_t*>(at_ - 1);
    if ((last & 0x40) != 0 && bits < 64) value |= ~uint64_t{0} << bits;
    return static_cast<int64_t>(value);
  }
  void skip(size_t bytes) { at_ += bytes; }
  uintptr_t at() const { return at_; }
  bool done() const { return at_ >= end_; }

 private:
  uintptr_t at_;
  uintptr_t end_;
};

struct Common {
  bool understood = false;
  uint64_t code_factor = 0;
  int64_t data_factor = 0;
  uint32_t return_register = 0;
  uint8_t pointer_encoding = 0;
  bool has_augmentation = false;
  uintptr_t instructions = 0;
  uintptr_t end = 0;
};

size_t pointer_bytes(uint8_t encoding) {
  switch (encoding & 7) {
    case 2:
      return 2;
    case 3:
      return 4;
    default:
      return 8;
  }
}

Common read_common(uintptr_t entry) {
  Common common;
  Reader reader(entry);
  const uint32_t length = reader.take<uint32_t>();
  common.end = reader.at() + length;
  if (reader.take<uint32_t>() != 0) return common;
  const uint8_t version = reader.take<uint8_t>();
  const char* augmentation = reinterpret_cast<const char*>(reader.at());
  reader.skip(strlen(augmentation) + 1);
  common.code_factor = reader.take_unsigned();
  common.data_factor = reader.take_signed();
  common.return_register =
      version == 1 ? reader.take<uint8_t>() : static_cast<uint32_t>(reader.take_unsigned());
  if (*augmentation == 'z') {
    common.has_augmentation = true;
    const size_t size = reader.take_unsigned();
    const uintptr_t behind = reader.at() + size;
    for (const char* letter = augmentation + 1; *letter != '\0'; ++letter) {
      if (*letter == 'R') common.pointer_encoding = reader.take<uint8_t>();
      if (*letter == 'L') reader.skip(1);
      if (*letter == 'P') {
        const uint8_t encoding = reader.take<uint8_t>();
        reader.skip(pointer_bytes(encoding));
      }
    }
    reader = Reader(behind);
  } else if (*augmentation != '\0') {
    return common;
  }
  common.instructions = reader.at();
  common.understood = common.return_register < kFrameRegisters;
  return common;
}

// The entry of the last function that begins at or before `code`; 0: none.
uintptr_t find_entry(uintptr_t header, uintptr_t code) {
  Reader reader(header);
  if (reader.take<uint8_t>() != 1) return 0;
  const uint8_t frames_encoding = reader.take<uint8_t>();
  const uint8_t count_encoding = reader.take<uint8_t>();
  const uint8_t table_encoding = reader.take<uint8_t>();
  if (frames_encoding != kFromHere4 || count_encoding != kUnsigned4) return 0;
  if (table_encoding != kFromTable4) return 0;
  reader.skip(4);
  struct Row {
    int32_t code;
    int32_t entry;
  };
  const uint32_t count = reader.take<uint32_t>();
  const Row* rows = reinterpret_cast<const Row*>(reader.at());
  const int64_t wanted = static_cast<int64_t>(code - header);
  uint32_t low = 0;
  uint32_t high = count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    rows[middle].code <= wanted ? low = middle + 1 : high = middle;
  }
  return low == 0 ? 0 : header + static_cast<uintptr_t>(int64_t{rows[low - 1].entry});
}

// Runs call frame instructions up to a place in the code.
class Machine {
 public:
  Machine(const Common& common, uintptr_t code_begin, uintptr_t code)
      : common_(common), place_(code_begin), code_(code) {}

  // False at an instruction that is not understood.
  bool run(uintptr_t begin, uintptr_t end, FrameRules* rules) {
    Reader reader(begin, end);
    while (!reader.done() && place_ <= code_) {
      const uint8_t byte = reader.take<uint8_t>();
      const uint32_t low = byte & 0x3fu;
      switch (byte & 0xc0) {
        case 0x40:
          place_ += low * common_.code_factor;
          break;
        case 0x80:
          at_offset(low, static_cast<int64_t>(reader.take_unsigned()), rules);
          break;
        case 0xc0:
          set(low, initial_.registers[low < kFrameRegisters ? low : 0], rules);
          break;
        default:
          if (!run_extended(byte, reader, rules)) return false;
      }
    }
    return true;
  }

  void remember_initial(const FrameRules& rules) { initial_ = rules; }

 private:
  void set(uint64_t number, RegisterRule rule, FrameRules* rules) {
    if (number < kFrameRegisters) rules->registers[number] = rule;
  }
  void at_offset(uint64_t number, int64_t offset, FrameRules* rules) {
    set(number, {RegisterRule::kAtOffset, offset * common_.data_factor}, rules);
  }

  bool run_extended(uint8_t instruction, Reader& reader, FrameRules* rules) {
    switch (instruction) {
      case 0x00:  // nop
      case 0x2d:  // aarch64: the return address is signed from here on; os/unwind takes that off
        return true;
      case 0x02:
        place_ += reader.take<uint8_t>() * common_.code_factor;
        return true;
      case 0x03:
        place_ += reader.take<uint16_t>() * common_.code_factor;
        return true;
      case 0x04:
        place_ += reader.take<uint32_t>() * common_.code_factor;
        return true;
      case 0x0c:
        rules->base_register = static_cast<uint32_t>(reader.take_unsigned());
        rules->base_offset = static_cast<int64_t>(reader.take_unsigned());
        return true;
      case 0x0d:
        rules->base_register = static_cast<uint32_t>(reader.take_unsigned());
        return true;
      case 0x0e:
        rules->base_offset = static_cast<int64_t>(reader.take_unsigned());
        return true;
      case 0x12:
        rules->base_register = static_cast<uint32_t>(reader.take_unsigned());
        rules->base_offset = reader.take_signed() * common_.data_factor;
        return true;
      case 0x13:
        rules->base_offset = reader.take_signed() * common_.data_factor;
        return true;
      case 0x2e:  // size of the arguments: no part of the frame
        reader.take_unsigned();
        return true;
      default:
        return run_register(instruction, reader, rules);
    }
  }

  bool run_register(uint8_t instruction, Reader& reader, FrameRules* rules) {
    if (instruction == 0x0a) {
      if (states_ == kStatesMax) return false;
      saved_[states_++] = *rules;
      return true;
    }
    if (instruction == 0x0b) {
      if (states_ == 0) return false;
      *rules = saved_[--states_];
      return true;
    }
    const uint64_t number = reader.take_unsigned();
    switch (instruction) {
      case 0x05:
        at_offset(number, static_cast<int64_t>(reader.take_unsigned()), rules);
        return true;
      case 0x06:
        set(number, initial_.registers[number < kFrameRegisters ? number : 0], rules);
        return true;
      case 0x07:
        set(number, {RegisterRule::kUndefined, 0}, rules);
        return true;
      case 0x08:
        set(number, {RegisterRule::kSame, 0}, rules);
        return true;
      case 0x09:
        set(number, {RegisterRule::kInRegister, static_cast<int64_t>(reader.take_unsigned())}, rules);
        return true;
      case 0x10:  // expressions, of which none is evaluated
      case 0x16:
        set(number, {RegisterRule::kUnknown, 0}, rules);
        reader.skip(reader.take_unsigned());
        return true;
      case 0x11:
        at_offset(number, reader.take_signed(), rules);
        return true;
      default:
        return false;
    }
  }

  const Common& common_;
  uintptr_t place_;
  const uintptr_t code_;
  FrameRules initial_;
  FrameRules saved_[kStatesMax];
  uint32_t states_ = 0;
};

}  // namespace

FrameRules rules_at(uintptr_t unwind_header, uintptr_t code) {
  FrameRules rules;
  const uintptr_t entry = find_entry(unwind_header, code);
  if (entry == 0) return rules;
  Reader reader(entry);
  const uint32_t length = reader.take<uint32_t>();
  const uintptr_t end = reader.at() + length;
  const uintptr_t common_field = reader.at();
  const Common common = read_common(common_field - reader.take<uint32_t>());
  if (!common.understood) return rules;
  uintptr_t begin = reader.at();
  uint64_t size = 0;
  if (common.pointer_encoding == kFromHere4) {
    begin += static_cast<uintptr_t>(int64_t{reader.take<int32_t>()});
    size = reader.take<uint32_t>();
  } else if (common.pointer_encoding == kFromHere8) {
    begin += reader.take<uint64_t>();
    size = reader.take<uint64_t>();
  } else {
    return rules;
  }
  if (code - begin >= size) return rules;
  if (common.has_augmentation) reader.skip(reader.take_unsigned());
  rules.return_register = common.return_register;
  Machine machine(common, begin, code);
  const uintptr_t initial_end = common.end;
  if (!machine.run(common.instructions, initial_end, &rules)) return rules;
  machine.remember_initial(rules);
  rules.found = machine.run(reader.at(), end, &rules) && rules.base_register < kFrameRegisters;
  return rules;
}

}  // namespace hakmem::os
