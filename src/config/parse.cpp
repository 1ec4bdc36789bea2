#include "config/parse.h"

namespace hakmem {

// Every name takes the article "a".
const char* value_type_name(ValueType type) {
  switch (type) {
    case ValueType::boolean:
    case ValueType::auto_switch:
      return "switch";
    case ValueType::size:
    case ValueType::auto_size:
      return "size";
    case ValueType::duration:
      return "duration";
    case ValueType::percent:
      return "percentage";
    case ValueType::integer:
      return "whole number";
  }
  return "value";
}

const char* value_type_examples(ValueType type) {
  switch (type) {
    case ValueType::boolean:
      return "on, off";
    case ValueType::auto_switch:
      return "auto, on, off";
    case ValueType::size:
    case ValueType::auto_size:
      return "64k, 1.5GiB";
    case ValueType::duration:
      return "500ms, 2s, never";
    case ValueType::percent:
      return "25%, 0.25";
    case ValueType::integer:
      return "8";
  }
  return "";
}

}  // namespace hakmem
