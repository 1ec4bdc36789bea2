# Three sets of options: for all of our code, for the code inside the library, for the library's link.

add_library(hakmem_warnings INTERFACE)
target_compile_options(hakmem_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow
                                                 $<$<BOOL:${HAKMEM_WERROR}>:-Werror>)

add_library(hakmem_boxes_options INTERFACE)
target_compile_options(
  hakmem_boxes_options
  INTERFACE $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety> # gcc has no such check
            $<$<CXX_COMPILER_ID:Clang>:-fsized-deallocation> # gcc's default
            $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique> # a unique symbol cannot be made local
            -fno-exceptions
            -fno-rtti
            -fno-threadsafe-statics # a guard would call into libstdc++
            -fno-plt
            -fPIC
            -fvisibility=hidden
            -fno-semantic-interposition
            -ftls-model=initial-exec # one load for the thread's cache, no call of __tls_get_addr
            -fno-stack-protector)
if(NOT HAKMEM_SANITIZE)
  target_compile_options(hakmem_boxes_options INTERFACE -fomit-frame-pointer)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|i.86")
  target_compile_options(hakmem_boxes_options INTERFACE -fcf-protection=none)
endif()

add_library(hakmem_link_options INTERFACE)
target_link_options(
  hakmem_link_options
  INTERFACE
  -Wl,-z,now
  -Wl,-z,relro
  -Wl,-z,nodelete # threads still run our code when somebody calls dlclose
  -Wl,-z,defs # a use of libstdc++ fails here, not in the user's program
  -Wl,--version-script=${PROJECT_SOURCE_DIR}/src/api/exports.map)

if(HAKMEM_DEBUG)
  add_compile_definitions(HAKMEM_DEBUG=1)
endif()

if(HAKMEM_SANITIZE)
  add_compile_options(-fsanitize=${HAKMEM_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${HAKMEM_SANITIZE})
endif()
